import { assertCatalogComplete, EVENT_TYPES, type EventDraft, type EventType, matchesType, messageEventId } from '@tributary/events';
import type { WireMessage } from '../frame/wire-message.js';
import { decodeNormaliserState, encodeNormaliserState } from './normaliser-state.js';
import { storable } from './field-values.js';
import type { GiftPrices } from './counts/gift-prices.js';
import { MAPPED_TYPES, WIRE_RULES, type WireRule } from './wire-rules.js';
import { RecentIds } from './recent-ids.js';
import { EventBuilder, type RoomOwner, type RoomState } from './event-builder.js';

/** A reconnect replays about 6 messages and a hand-over a few seconds; this is eight minutes of a moderate room. */
const RECENT_IDS_MAX = 2_048;
const METHOD_LENGTH_MAX = 128;
/** The message that pauses, resumes or ends the stream. */
const STATE_METHOD = 'WebcastControlMessage';

export interface RoomNormaliserOptions extends RoomOwner {
  /** State from {@link RoomNormaliser.takeSavedState} of the last holder. State of another room or version is not used. */
  savedState?: string;
  /** Prices of gifts seen by this process, for gifts that come without one; shared by all rooms. */
  prices?: GiftPrices;
  /** Adds the protobuf of each message to its first event. */
  keepRaw?: boolean;
  /** Message ids remembered for telling duplicates. */
  recentIdsMax?: number;
  /** Ids from {@link RoomNormaliser.recentIds} of the last holder. */
  recentIds?: readonly string[];
  /** Patterns of the event types wanted; the rest is counted, and not decoded. Absent or empty: all. */
  types?: readonly string[];
}

/** Totals since the start of this object. `messages` is the sum of duplicates, filtered messages and those that became events. */
export interface NormaliserCounters {
  messages: number;
  duplicates: number;
  /** Messages that became `tiktok.live.unknown` because no decoder is known. */
  unknown: number;
  /** Messages that became `tiktok.live.unknown` because their payload is broken. */
  decodeErrors: number;
  /** Messages of which no event was wanted. */
  filtered: number;
  events: number;
}

assertCatalogComplete(MAPPED_TYPES);

/**
 * Turns the messages of one room into events: decoded once, duplicates removed, gift streaks and likes counted.
 * Works in memory and at once; never throws, never drops a wanted message.
 */
export class RoomNormaliser {
  readonly counters: NormaliserCounters = { messages: 0, duplicates: 0, unknown: 0, decodeErrors: 0, filtered: 0, events: 0 };
  /** Whether the given `savedState` is in use. */
  readonly isRestored: boolean;
  private readonly roomId: string;
  private readonly builder: EventBuilder;
  private readonly recent: RecentIds;
  private readonly wanted: ReadonlySet<EventType> | undefined;
  private readonly keepRaw: boolean;

  constructor(options: RoomNormaliserOptions) {
    const { creatorId, handle, roomId, userId, types, savedState } = options;
    this.roomId = roomId;
    this.keepRaw = options.keepRaw ?? false;
    this.wanted = types && types.length > 0 ? new Set(EVENT_TYPES.filter((type) => matchesType(types, type))) : undefined;
    this.builder = new EventBuilder({ creatorId, handle, roomId, userId }, (type) => this.wanted?.has(type) ?? true, options.prices);
    this.recent = new RecentIds(options.recentIdsMax ?? RECENT_IDS_MAX);
    for (const id of options.recentIds ?? []) this.recent.add(id);
    this.isRestored = savedState !== undefined && this.restore(savedState);
  }

  /** State of the room. Pause and end are known even where their events are filtered; viewers are not. */
  get state(): Readonly<RoomState> {
    return this.builder.state;
  }

  /** Likes of the room as of the latest like message; never decreases. */
  get roomLikes(): number {
    return this.builder.likes.roomLikes;
  }

  /**
   * Events of one message, in order; [] for a duplicate or where none is wanted. `receivedAt` is ms. The payload is read
   * within the call and not kept.
   */
  normalise(message: WireMessage, receivedAt: number): EventDraft[] {
    this.counters.messages++;
    const { method, msgId, payload } = message;
    const eventId = messageEventId(this.roomId, msgId, method, payload);
    const isNew = this.recent.add(eventId.slice(this.roomId.length + 1));
    if (!isNew) this.counters.duplicates++;
    // The end and pauses of the stream may have been published by an earlier holder.
    if (!isNew && method !== STATE_METHOD) return [];
    this.builder.begin(eventId, msgId, receivedAt);
    this.read(WIRE_RULES.get(method), method, payload);
    const drafts = this.builder.end();
    if (!isNew) return [];
    this.counters.events += drafts.length;
    const first = drafts[0];
    if (first === undefined) this.counters.filtered++;
    else if (this.keepRaw) first.raw = Uint8Array.from(payload);
    return drafts;
  }

  /** Closes gift streaks without a message for 60 s; call about once a second. Their gifts are counted already, so it makes no event. */
  sweep(now: number): EventDraft[] {
    this.builder.gifts.sweep(now);
    return [];
  }

  /** What the next holder must know to count on (gift streaks, like totals), or undefined when unchanged since last asked. */
  takeSavedState(): string | undefined {
    const { gifts, likes } = this.builder;
    if (!gifts.changed && !likes.changed) return undefined;
    gifts.changed = false;
    likes.changed = false;
    return encodeNormaliserState(this.roomId, likes.save(), gifts.save());
  }

  /** Ids of the latest messages, oldest first, for the next holder in a planned hand-over. */
  recentIds(): string[] {
    return this.recent.list();
  }

  private read(rule: WireRule | undefined, method: string, payload: Uint8Array): void {
    if (!rule) {
      this.counters.unknown++;
      this.unknown(method, payload, 'unmapped');
    } else if (this.wants(rule, method)) {
      try {
        rule.read(payload, this.builder);
      } catch {
        // A broken payload comes from TikTok or the network, so it is no bug: it is counted, and kept as an `unknown` event.
        this.counters.decodeErrors++;
        this.unknown(method, payload, 'undecodable');
      }
    }
  }

  /** The end of a stream and its pause are always read: the session depends on them. */
  private wants(rule: WireRule, method: string): boolean {
    return this.wanted === undefined || method === STATE_METHOD || rule.types.some((type) => this.wanted?.has(type));
  }

  private unknown(method: string, payload: Uint8Array, reason: 'unmapped' | 'undecodable'): void {
    this.builder.restart();
    const name = storable(method.slice(0, METHOD_LENGTH_MAX));
    this.builder.emit('tiktok.live.unknown', { method: name, bytes: payload.length, reason });
  }

  private restore(text: string): boolean {
    const savedState = decodeNormaliserState(text);
    if (savedState?.room !== this.roomId) return false;
    this.builder.likes.restore(savedState.likes);
    this.builder.gifts.restore(savedState);
    return true;
  }
}
