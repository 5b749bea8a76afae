import { HANDLE_WORDS, NICKNAMES } from './content.js';
import { pack, type Packed } from '../wire/packed-gzip.js';
import { Random } from './random.js';
import { encode, type WireWriter } from '../wire/protobuf.js';

/** An invented viewer, encoded once in two sizes: as most messages carry users, and with all badges. */
export interface SimulatedUser {
  id: string;
  handle: string;
  nickname: string;
  /** About 0.5 KB. */
  small: Packed;
  /** About 2.2 KB, as in chats and gifts of users with badges. */
  full: Packed;
}

const HOST = 'https://p16-sign.avatars.example';

/** Makes `count` users; the same seed makes the same users. */
export function makeUsers(seed: string, count: number): SimulatedUser[] {
  const random = new Random(`${seed}/users`);
  return Array.from({ length: count }, (_, index) => makeUser(random, index));
}

function makeUser(random: Random, index: number): SimulatedUser {
  const id = (6_700_000_000_000_000_000n + BigInt(index) * 7_919_000_003n + BigInt(random.next32())).toString();
  const separator = random.pick(['.', '_', '']);
  const handle = `${random.pick(HANDLE_WORDS)}${separator}${random.pick(HANDLE_WORDS)}${index}`;
  const nickname = random.pick(NICKNAMES);
  const avatar = encodeImage(random, 'avt-100x100', 1);
  const badges = Array.from({ length: random.int(2, 3) }, () => encodeBadge(random));
  const followers = random.int(0, 90_000);
  const admin = random.chance(0.02);
  const head = (writer: WireWriter) => {
    writer.id(1, id).str(3, nickname);
    writer.bytes(9, avatar);
    writer.bytes(
      22,
      encode((info) => info.int(1, random.int(1, 4_000)).int(2, followers)),
    );
    if (admin)
      writer.bytes(
        32,
        encode((attributes) => attributes.int(2, 1)),
      );
    writer.str(38, handle).str(46, `MS4wLjABAAAA${random.bytes(48).toString('base64url')}`);
  };
  const base = encode(head);
  return {
    id,
    handle,
    nickname,
    small: pack(encode((writer) => writer.raw(base).int(1029, random.int(0, 1)))),
    full: pack(
      encode((writer) => {
        writer.raw(base).bytes(10, encodeImage(random, 'avt-720x720', 2));
        for (const badge of badges) writer.bytes(64, badge);
        writer.int(1029, random.int(0, 1));
      }),
    ),
  };
}

/** An ImageModel with signed-looking URLs, about 0.2 KB each. */
export function encodeImage(random: Random, kind: string, urls: number): Buffer {
  const name = random.bytes(16).toString('hex');
  return encode((writer) => {
    for (let i = 0; i < urls; i++) {
      const signature = encodeURIComponent(random.bytes(20).toString('base64'));
      writer.str(
        1,
        `${HOST}/tos-sim-${kind}/${name}~c5.webp?dr=9638&refresh_token=${random.bytes(4).toString('hex')}&x-expires=1795262400&x-signature=${signature}&idc=sim`,
      );
    }
    writer.str(2, `tos-sim-${kind}/${name}`);
  });
}

function encodeBadge(random: Random): Buffer {
  return encode((badge) => {
    badge
      .int(1, 4)
      .int(2, 20)
      .int(3, random.pick([4, 6, 8, 10]));
    badge.int(5, 1).int(11, 1);
    badge.bytes(
      12,
      encode((log) => log.str(2, String(7_138_381_747_292_526_756n + BigInt(random.int(0, 40)))).str(5, String(random.int(1, 40)))),
    );
    badge.bytes(
      23,
      encode((combined) => {
        combined.int(1, 1);
        combined.bytes(2, encodeImage(random, 'badge', 1));
        combined.str(4, String(random.int(1, 40)));
        combined.bytes(11, encodeBackground(random));
        combined.bytes(12, encodeBackground(random));
      }),
    );
  });
}

function encodeBackground(random: Random): Buffer {
  return encode((background) => background.str(2, `#${random.bytes(4).toString('hex').toUpperCase()}`));
}
