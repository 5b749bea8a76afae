import { GIFTS, type GiftKind } from './content.js';
import { pack, type Packed } from '../wire/packed-gzip.js';
import { Random } from './random.js';
import { makeUsers, encodeImage, type SimulatedUser } from './users.js';
import { encode } from '../wire/protobuf.js';

/** Viewers shared by all rooms of one simulator. */
const USERS = 2_000;

/** A gift with its `Gift` struct encoded, about 2 KB. */
export interface EncodedGift extends GiftKind {
  struct: Packed;
  displayText: Buffer;
}

/** Immutable parts that all rooms of one simulator share: encoded once, copied into messages. */
export interface SharedParts {
  users: SimulatedUser[];
  gifts: EncodedGift[];
  text: Record<'follow' | 'share' | 'social' | 'join' | 'chat' | 'like' | 'superFan' | 'superFanJoined' | 'superFanBox', Buffer>;
  emotes: Buffer[];
  icon: Packed;
  /** Opaque bytes of types that no client decodes, by wire name. */
  opaque: { method: string; body: Buffer }[];
  /** About 40 KB that a connect bundle contains besides its newest messages. */
  goodyBag: Buffer;
}

const made = new Map<string, SharedParts>();
/** Seeds whose parts are kept, about 20 MB each: suites open one simulator after the other with the same. */
const KEPT_MAX = 4;

/** The shared parts; the same seed gives the same. */
export function sharedParts(seed: string): SharedParts {
  const known = made.get(seed);
  if (known) return known;
  const shared = makeSharedParts(seed);
  if (made.size >= KEPT_MAX) made.clear();
  made.set(seed, shared);
  return shared;
}

function makeSharedParts(seed: string): SharedParts {
  const random = new Random(`${seed}/props`);
  const text = (key: string, pattern: string) =>
    encode((writer) => {
      writer.str(1, key).str(2, pattern);
      writer.bytes(
        3,
        encode((format) => format.str(1, '#ffffffff').int(4, 400)),
      );
    });
  return {
    users: makeUsers(seed, USERS),
    gifts: GIFTS.map((gift) => makeGift(random, gift)),
    text: {
      follow: text('pm_main_follow_message_viewer_2', '{0:user} followed the LIVE creator'),
      share: text('pm_mt_guidance_share', '{0:user} shared the LIVE'),
      social: text('pm_mt_social_welcome', '{0:user} is here again'),
      join: text('live_room_enter_toast', '{0:user} joined'),
      chat: text('pm_mt_chat', '{0:user}: {1:string}'),
      like: text('pm_mt_msg_viewer', '{0:user} liked the LIVE'),
      superFan: text('ttlive_superfan_levelup', '{0:user} reached a new Super Fan level'),
      superFanJoined: text('ttlive_superFan_commentNotif_superFanJoined', '{0:user} became a Super Fan'),
      superFanBox: text('ttlive_superFanBox_sent', '{0:user} sent a Super Fan box'),
    },
    emotes: Array.from({ length: 12 }, (_, index) =>
      encode((writer) =>
        writer
          .str(1, String(7_000_000_000 + index))
          .bytes(2, encodeImage(random, 'emote', 2))
          .int(3, 1)
          .str(4, random.bytes(8).toString('hex')),
      ),
    ),
    icon: pack(encodeImage(random, 'icon', 3)),
    opaque: [
      { method: 'WebcastHashtagMessage', body: random.bytes(240) },
      { method: 'WebcastRoomStickerMessage', body: random.bytes(520) },
      { method: 'WebcastLinkScreenChangeMessage', body: random.bytes(90) },
      { method: 'WebcastGoodyBagMessage', body: random.bytes(960) },
      { method: 'WebcastSubTimerStickerMessage', body: random.bytes(120) },
    ],
    goodyBag: random.bytes(40_000),
  };
}

function makeGift(random: Random, gift: GiftKind): EncodedGift {
  const struct = encode((writer) => {
    writer
      .bytes(1, encodeImage(random, 'gift', 3))
      .str(2, `sent ${gift.name}`)
      .int(4, 1_000)
      .int(5, gift.id);
    writer
      .int(10, gift.type === 1 ? 1 : 0)
      .int(11, gift.type)
      .int(12, gift.diamonds)
      .int(13, 1)
      .int(14, gift.id * 7);
    writer
      .str(16, gift.name)
      .bytes(21, encodeImage(random, 'gift-icon', 3))
      .bytes(47, encodeImage(random, 'gift-preview', 2));
  });
  const displayText = encode((writer) => {
    writer.str(1, 'pm_mt_gift_text').str(2, '{0:user} sent {1:gift}');
    writer.bytes(
      4,
      encode((piece) =>
        piece.int(1, 12).bytes(
          22,
          encode((value) => value.int(1, gift.id)),
        ),
      ),
    );
  });
  return { ...gift, struct: pack(struct), displayText };
}
