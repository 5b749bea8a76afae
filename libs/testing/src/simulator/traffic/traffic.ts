import { COMMENTS } from './content.js';
import { type Method, methodOf } from '../wire/methods.js';
import type { EncodedGift, SharedParts } from './shared-parts.js';
import { Random } from './random.js';
import { type RareKind, RARE_WEIGHTS, writeRare } from './rare-messages.js';
import { messageId, type MessageIdentity, writeCommon } from '../wire/message-identity.js';
import type { Effect } from '../room/totals.js';
import type { SimulatedUser } from './users.js';
import { encode, type WireWriter } from '../wire/protobuf.js';

/** What was written as one message's payload. */
export interface WrittenMessage {
  method: Method;
  high: number;
  low: number;
  effect: Effect | undefined;
}

type Kind = 'join' | 'chat' | 'like' | 'gift' | 'follow' | 'share' | 'social' | RareKind;

/** Shares of all messages that are no joins, out of 1,000. Measured in moderate rooms; rare kinds are raised so that an hour has each. */
const WEIGHTS: Record<Exclude<Kind, 'join'>, number> = {
  chat: 385,
  like: 280,
  gift: 130,
  follow: 30,
  share: 18,
  social: 7,
  ...RARE_WEIGHTS,
};
const TABLE_SIZE = 4_096;
/** A moderate room sends its number of viewers every 2 s. */
const VIEWERS_EVERY_S = 2;
const STREAKS_OPEN_MAX = 3;
/** A gift after a longer pause begins a new streak: a run without a message for a minute is over. */
const STREAK_PAUSE_MS_MAX = 45_000;

interface Streak {
  key: string;
  user: SimulatedUser;
  gift: EncodedGift;
  groupId: number;
  count: number;
  target: number;
  /** About one streak in eight is never ended by `repeatEnd`. */
  ends: boolean;
  /** ms since 1970 of its last message. */
  lastAt: number;
}

const METHOD = {
  join: methodOf('WebcastMemberMessage'),
  chat: methodOf('WebcastChatMessage'),
  like: methodOf('WebcastLikeMessage'),
  gift: methodOf('WebcastGiftMessage'),
  social: methodOf('WebcastSocialMessage'),
  viewers: methodOf('WebcastRoomUserSeqMessage'),
};

/**
 * The messages of one room, in the mix and sizes of moderate rooms: joins 22 to 66 %, payloads of 0.8 KB (p50) to 6 KB
 * (p95). The n-th message depends on the seed and the rate only, its ids and times on the clock.
 */
export class Traffic {
  readonly random: Random;
  readonly salt: number;
  /** The message that deletions and pins refer to. */
  lastChat: { high: number; low: number; user: SimulatedUser; text: string } | undefined;
  private readonly table: Uint8Array;
  private readonly streaks: Streak[] = [];
  private groupId = 0;
  private sinceViewers = 0;
  private viewersTotal: number;
  private viewers: number;
  private likeTotal: number;
  private readonly ranks = new Map<SimulatedUser, number>();
  private roomField: Buffer;

  constructor(
    readonly shared: SharedParts,
    seed: string,
    roomId: string,
    readonly anchorId: string,
  ) {
    this.random = new Random(`${seed}/traffic`);
    this.salt = this.random.next32();
    this.viewers = this.random.int(40, 900);
    this.viewersTotal = this.viewers * this.random.int(3, 9);
    this.likeTotal = this.random.int(0, 5_000);
    this.table = tableFor(0.22 + 0.44 * this.random.next());
    this.roomField = encode((writer) => writer.id(3, roomId));
  }

  /** From now on messages are of another room of the same creator; likes begin again. */
  enterRoom(roomId: string): void {
    this.roomField = encode((writer) => writer.id(3, roomId));
    this.likeTotal = 0;
    this.streaks.length = 0;
    this.ranks.clear();
  }

  identity(n: number, now: number): MessageIdentity {
    return { roomField: this.roomField, ...messageId(n, this.salt, now), createTime: now - this.random.int(0, 180) };
  }

  /** Writes the payload of message `n` at a rate of `rate` messages/s. */
  write(writer: WireWriter, n: number, now: number, rate: number): WrittenMessage {
    const identity = this.identity(n, now);
    this.sinceViewers++;
    if (this.sinceViewers >= Math.max(1, Math.round(rate * VIEWERS_EVERY_S))) {
      this.sinceViewers = 0;
      return this.viewerCount(writer, identity);
    }
    const kind = KINDS[this.table[this.random.next32() & (TABLE_SIZE - 1)] ?? 0] ?? 'join';
    switch (kind) {
      case 'join':
        return this.join(writer, identity);
      case 'chat':
        return this.chat(writer, identity);
      case 'like':
        return this.like(writer, identity);
      case 'gift':
        return this.gift(writer, identity, now);
      case 'follow':
      case 'share':
      case 'social':
        return this.social(writer, identity, kind);
      default:
        return { ...identity, ...writeRare(kind, writer, identity, this, now) };
    }
  }

  /** Half of all messages come from the room's hundred regulars. */
  user(): SimulatedUser {
    const { users } = this.shared;
    const index = this.random.chance(0.5) ? (this.salt + this.random.int(0, 99)) % users.length : this.random.int(0, users.length - 1);
    return users[index] as SimulatedUser;
  }

  private viewerCount(writer: WireWriter, identity: MessageIdentity): WrittenMessage {
    const joined = this.random.int(0, 12);
    this.viewers = Math.max(1, this.viewers + joined - this.random.int(0, 12));
    this.viewersTotal += joined;
    writeCommon(writer, METHOD.viewers, identity);
    const top = [...this.ranks].sort((a, b) => b[1] - a[1]).slice(0, 3);
    for (const [place, [user, diamonds]] of top.entries()) {
      const rank = writer.open(2);
      writer
        .int(1, diamonds)
        .packed(2, user.small)
        .int(3, place + 1);
      writer.close(rank);
    }
    writer.int(3, this.viewers).str(4, String(this.viewers)).int(6, this.viewers).int(7, this.viewersTotal);
    return this.done(METHOD.viewers, identity, { kind: 'viewers', now: this.viewers, total: this.viewersTotal });
  }

  private join(writer: WireWriter, identity: MessageIdentity): WrittenMessage {
    const user = this.user();
    writeCommon(writer, METHOD.join, identity, this.shared.text.join);
    writer
      .packed(2, this.random.chance(0.2) ? user.full : user.small)
      .int(3, this.viewers)
      .int(9, 1)
      .int(10, 1);
    writer.str(21, 'recommend').str(22, 'homepage_hot-live_cell');
    return this.done(METHOD.join, identity, { kind: 'join' });
  }

  private chat(writer: WireWriter, identity: MessageIdentity): WrittenMessage {
    const user = this.user();
    const comment = this.random.pick(COMMENTS);
    writeCommon(writer, METHOD.chat, identity);
    writer
      .packed(2, this.random.chance(0.4) ? user.full : user.small)
      .str(3, comment.text)
      .int(4, 1)
      .str(14, comment.language);
    if (this.random.chance(0.05)) {
      const emote = this.random.pick(this.shared.emotes);
      writer.bytes(
        13,
        encode((inner) => inner.int(1, 0).bytes(2, emote)),
      );
    }
    this.lastChat = { high: identity.high, low: identity.low, user, text: comment.text };
    return this.done(METHOD.chat, identity, { kind: 'chat' });
  }

  /** Likes are sampled (the total rises by far more than the sum of counts), and two shards send different totals. */
  private like(writer: WireWriter, identity: MessageIdentity): WrittenMessage {
    const count = this.random.int(1, 15);
    this.likeTotal += count * this.random.int(1, 14);
    const behind = this.random.chance(0.12) ? this.random.int(1, 400) : 0;
    const total = Math.max(count, this.likeTotal - behind);
    writeCommon(writer, METHOD.like, identity, this.shared.text.like);
    writer.int(2, count).int(3, total).packed(5, this.user().small);
    if (this.random.chance(0.5)) writer.packed(7, this.shared.icon);
    return this.done(METHOD.like, identity, { kind: 'like', count, total });
  }

  private social(writer: WireWriter, identity: MessageIdentity, kind: 'follow' | 'share' | 'social'): WrittenMessage {
    writeCommon(writer, METHOD.social, identity, this.shared.text[kind]);
    writer.packed(2, this.user().full);
    if (kind === 'share')
      writer
        .int(3, 1)
        .int(4, 3)
        .str(5, String(this.random.int(1, 30)))
        .int(8, 1);
    else writer.int(4, kind === 'follow' ? 1 : 5).int(6, this.random.int(100, 90_000));
    return this.done(METHOD.social, identity, kind === 'social' ? undefined : { kind });
  }

  private gift(writer: WireWriter, identity: MessageIdentity, now: number): WrittenMessage {
    for (let at = this.streaks.length - 1; at >= 0; at--) {
      if (now - this.streaks[at]!.lastAt > STREAK_PAUSE_MS_MAX) this.streaks.splice(at, 1);
    }
    const open = this.streaks.length;
    if (open === STREAKS_OPEN_MAX || (open > 0 && this.random.chance(0.6)))
      return this.streakStep(writer, identity, now, this.random.int(0, open - 1));
    const gift = this.pickGift();
    const user = this.user();
    const groupId = Math.max(now, this.groupId + 1);
    this.groupId = groupId;
    if (gift.type !== 1) return this.giftMessage(writer, identity, user, gift, 1, true, groupId, undefined);
    const key = `${user.id}/${gift.id}/${groupId}`;
    const target = this.random.chance(0.3) ? 1 : this.random.int(2, 40);
    this.streaks.push({ key, user, gift, groupId, count: 0, target, ends: !this.random.chance(0.12), lastAt: now });
    return this.streakStep(writer, identity, now, this.streaks.length - 1);
  }

  /** The next message of a run: a higher count, or, once the target is reached, the same count with `repeatEnd`. */
  private streakStep(writer: WireWriter, identity: MessageIdentity, now: number, index: number): WrittenMessage {
    const streak = this.streaks[index] as Streak;
    streak.lastAt = now;
    const ended = streak.count >= streak.target;
    if (!ended) streak.count = Math.min(streak.target, streak.count + this.random.int(1, 6));
    if (ended || (streak.count >= streak.target && !streak.ends)) this.streaks.splice(index, 1);
    return this.giftMessage(writer, identity, streak.user, streak.gift, streak.count, ended, streak.groupId, streak.key);
  }

  private giftMessage(
    writer: WireWriter,
    identity: MessageIdentity,
    user: SimulatedUser,
    gift: EncodedGift,
    count: number,
    end: boolean,
    groupId: number,
    streak: string | undefined,
  ): WrittenMessage {
    writeCommon(writer, METHOD.gift, identity, gift.displayText);
    writer
      .int(2, gift.id)
      .int(3, count * gift.diamonds)
      .int(4, 1)
      .int(5, count)
      .int(6, count);
    writer
      .packed(7, user.full)
      .int(9, end ? 1 : 0)
      .int(11, groupId)
      .packed(15, gift.struct)
      .int(17, 1);
    writer.str(28, `${identity.createTime}${identity.low}`);
    this.ranks.set(user, (this.ranks.get(user) ?? 0) + gift.diamonds);
    if (this.ranks.size > 50) this.ranks.delete(this.ranks.keys().next().value as SimulatedUser);
    return this.done(METHOD.gift, identity, { kind: 'gift', streak, count, diamonds: gift.diamonds });
  }

  private pickGift(): EncodedGift {
    const { gifts } = this.shared;
    let left = this.random.next() * gifts.reduce((sum, gift) => sum + gift.weight, 0);
    return gifts.find((gift) => (left -= gift.weight) < 0) ?? (gifts[0] as EncodedGift);
  }

  private done(method: Method, identity: MessageIdentity, effect: Effect | undefined): WrittenMessage {
    return { method, high: identity.high, low: identity.low, effect };
  }
}

const KINDS = ['join', ...Object.keys(WEIGHTS)] as Kind[];
const tables = new Map<number, Uint8Array>();

/** Kinds (as indices of KINDS) by their shares, so that picking one is an index. One table for each whole percent of joins. */
function tableFor(joins: number): Uint8Array {
  const percent = Math.round(joins * 100);
  const known = tables.get(percent);
  if (known) return known;
  const table = new Uint8Array(TABLE_SIZE);
  const sum = Object.values(WEIGHTS).reduce((total, weight) => total + weight, 0);
  let at = Math.round((TABLE_SIZE * percent) / 100);
  const left = TABLE_SIZE - at;
  for (const [index, weight] of Object.values(WEIGHTS).entries()) {
    const end = Math.min(TABLE_SIZE, at + Math.max(1, Math.round((left * weight) / sum)));
    table.fill(index + 1, at, end);
    at = end;
  }
  table.fill(KINDS.indexOf('chat'), at);
  tables.set(percent, table);
  return table;
}
