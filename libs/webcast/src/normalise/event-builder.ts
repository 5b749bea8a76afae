import { type DataOf, type EventDraft, type EventType, snowflakeTime } from '@tributary/events';
import { FieldLimiter } from './field-limiter.js';
import { epochMs } from './field-values.js';
import { GiftPrices } from './counts/gift-prices.js';
import { GiftStreaks } from './counts/gift-streaks.js';
import { LikeTotals } from './counts/like-totals.js';

const DAY_MS = 86_400_000;

/** The creator of the room; the same on every event. */
export interface RoomOwner {
  creatorId: string;
  handle: string;
  roomId: string;
  /** The host's TikTok user id, where it is known. */
  userId?: string;
}

/** State of the room according to its latest messages. */
export interface RoomState {
  viewers?: number;
  paused?: boolean;
  /** Set by the message that ends the stream. */
  ended?: 'ended' | 'suspended';
}

/** Builds the events of one message at a time, and holds the state of the room that the shaping functions use. */
export class EventBuilder {
  readonly trim = new FieldLimiter();
  readonly gifts = new GiftStreaks();
  readonly likes = new LikeTotals();
  readonly state: RoomState = {};
  /** Of the message at hand: the id of its event, and its arrival in ms. */
  eventId = '';
  receivedAt = 0;
  private msgId = '';
  private time = 0;
  private drafts: EventDraft[] = [];

  constructor(
    private readonly owner: RoomOwner,
    private readonly wants: (type: EventType) => boolean,
    readonly prices = new GiftPrices(),
  ) {}

  /** Whether this is the room's host; false while the host is not known. */
  isHost(id: string, uniqueId?: string): boolean {
    return id === this.owner.userId || uniqueId?.toLowerCase() === this.owner.handle;
  }

  begin(eventId: string, msgId: string, receivedAt: number): void {
    this.eventId = eventId;
    this.msgId = msgId;
    this.receivedAt = receivedAt;
    this.time = 0;
    this.drafts = [];
    this.trim.reset();
  }

  /**
   * Dates the message: TikTok's createTime, else the seconds inside its id, else its arrival. A date more than a day
   * ahead of the arrival is not believed.
   */
  date(createTime: string | undefined): void {
    const latest = this.receivedAt + DAY_MS;
    const created = createTime === undefined ? undefined : epochMs(createTime);
    if (created !== undefined && created < latest) {
      this.time = created;
      return;
    }
    const inId = epochMs(snowflakeTime(this.msgId) ?? 0);
    this.time = inId !== undefined && inId < latest ? inId : this.receivedAt;
  }

  /** Adds an event of the message at hand. `suffix` makes the id of an event that comes with the message's main one. */
  emit<T extends EventType>(type: T, data: DataOf<T> & { truncated?: boolean }, suffix?: string): void {
    if (!this.wants(type)) return;
    if (this.trim.truncated) data.truncated = true;
    const { creatorId, handle, roomId } = this.owner;
    this.drafts.push({
      id: suffix === undefined ? this.eventId : `${this.eventId}-${suffix}`,
      type,
      creatorId,
      handle,
      roomId,
      time: this.time,
      receivedAt: this.receivedAt,
      data,
    });
  }

  /** Drops the events of the current message, because it is malformed; its date is then that of its id. */
  restart(): void {
    this.drafts = [];
    this.trim.reset();
    this.date(undefined);
  }

  end(): EventDraft[] {
    return this.drafts;
  }
}
