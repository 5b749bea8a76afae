import type { StoredEvent } from '@tributary/events';
import type { FeedBatch } from '@tributary/log';
import { reasonOf } from '@tributary/runtime';
import type { EventStore } from '../store/event-store.js';
import { type EventFilter, matches } from '../store/filter.js';

export interface LiveHubOptions {
  store: Pick<EventStore, 'head' | 'query'>;
  /** Newest events kept in memory; a follower further behind reads PostgreSQL. */
  recentEventsMax?: number;
  /** Ask PostgreSQL for its head when the feed was silent this long. */
  quietMs?: number;
  logger: { warn(fields: object, message: string): void };
}

/** A step of a follower: matching events, and the position up to which everything was looked at. */
export interface LiveBatch {
  events: StoredEvent[];
  seq: number;
}

const CATCH_UP_PAGE = 500;

/**
 * The one place where live readers meet the log. Followers pull at their own pace: from memory while they keep up, from
 * PostgreSQL when they do not, so that a slow one costs nobody anything and none can miss or repeat an event.
 */
export class LiveHub {
  private readonly recent: FeedBatch[] = [];
  private recentEvents = 0;
  private at = 0;
  /** Positions of another generation mean nothing in this one: its followers end. */
  private generation = 0;
  private lastHeardAt = Date.now();
  private waiting = new Set<() => void>();
  private timer: NodeJS.Timeout | undefined;
  private asking = false;
  private readonly recentEventsMax: number;
  private readonly quietMs: number;

  constructor(private readonly options: LiveHubOptions) {
    this.recentEventsMax = options.recentEventsMax ?? 10_000;
    this.quietMs = options.quietMs ?? 1_000;
  }

  async start(): Promise<void> {
    const { generation, seq } = await this.options.store.head();
    this.generation = generation;
    this.at = seq;
    this.timer = setInterval(() => void this.askStore(), this.quietMs);
  }

  stop(): void {
    clearInterval(this.timer);
    this.wake();
  }

  /** The newest position that followers have been told of. */
  head(): number {
    return this.at;
  }

  get followers(): number {
    return this.waiting.size;
  }

  /** Takes a commit from the feed. One that does not follow the last makes the memory worthless: followers go to PostgreSQL. */
  take(batch: FeedBatch): void {
    this.lastHeardAt = Date.now();
    if (batch.generation < this.generation) return;
    if (batch.generation > this.generation) this.begin(batch.generation, batch.after);
    if (batch.to <= this.at) return;
    if (batch.after !== this.at) this.forget();
    this.recent.push(batch);
    this.recentEvents += batch.events.length;
    while (this.recentEvents > this.recentEventsMax && this.recent.length > 1) this.recentEvents -= this.recent.shift()!.events.length;
    this.at = batch.to;
    this.wake();
  }

  /**
   * Matching events after position `after`, in log order, for ever; ends when `signal` aborts, and when the database turns out
   * to be restored from a backup since `generation`: then the reader must ask anew whether its position can be honoured.
   */
  async *follow(filter: EventFilter, after: number, signal: AbortSignal, generation = this.generation): AsyncGenerator<LiveBatch> {
    for (let position = after; !signal.aborted && generation === this.generation;) {
      if (position >= this.at) {
        await this.changed(signal);
        continue;
      }
      const start = this.recent.findIndex((batch) => batch.after <= position && position < batch.to);
      if (start >= 0) {
        const events = this.recent
          .slice(start)
          .flatMap((batch) => batch.events.filter((event) => event.seq > position && matches(filter, event)));
        position = this.at;
        yield { events, seq: position };
      } else {
        const page = await this.options.store.query(filter, { after: position, order: 'asc', limit: CATCH_UP_PAGE });
        const reached = page.more ? page.reached : Math.max(page.head, position);
        if (reached === position) await this.changed(signal);
        position = reached;
        yield { events: page.events, seq: position };
      }
    }
  }

  private async askStore(): Promise<void> {
    if (this.asking || Date.now() - this.lastHeardAt < this.quietMs) return;
    this.asking = true;
    try {
      const { generation, seq } = await this.options.store.head();
      if (generation > this.generation) this.begin(generation, seq);
      else if (seq > this.at && Date.now() - this.lastHeardAt >= this.quietMs) {
        this.forget();
        this.at = seq;
        this.wake();
      }
    } catch (error) {
      this.options.logger.warn({ reason: reasonOf(error) }, 'the head of the log cannot be read');
    } finally {
      this.asking = false;
    }
  }

  private begin(generation: number, at: number): void {
    this.forget();
    this.generation = generation;
    this.at = at;
    this.wake();
  }

  private forget(): void {
    this.recent.length = 0;
    this.recentEvents = 0;
  }

  private wake(): void {
    const waiting = this.waiting;
    this.waiting = new Set();
    for (const resume of waiting) resume();
  }

  private changed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const resume = () => {
        signal.removeEventListener('abort', abort);
        resolve();
      };
      const abort = () => {
        this.waiting.delete(resume);
        resolve();
      };
      this.waiting.add(resume);
      signal.addEventListener('abort', abort, { once: true });
    });
  }
}
