import type { StoredEvent } from '@tributary/events';
import type { FeedBatch } from '@tributary/log';
import { reasonOf } from '@tributary/runtime';
import type { EventStore } from '../store/event-store.js';
import { type EventFilter, matches } from '../store/filter.js';
import { FilterIndex } from './filter-index.js';
import { Follower, type LiveBatch } from './follower.js';

export interface LiveHubOptions {
  store: Pick<EventStore, 'head' | 'query'>;
  /** Newest events kept in memory; a follower further behind reads PostgreSQL. */
  recentEventsMax?: number;
  /** Ask PostgreSQL for its head when the feed was silent this long. */
  quietMs?: number;
  logger: { warn(fields: object, message: string): void };
}

const CATCH_UP_PAGE = 500;

/**
 * The one place where live readers meet the log. Followers pull at their own pace: from memory while they keep up, from
 * PostgreSQL when they do not, so that a slow one costs nobody anything and none can miss or repeat an event. Those that have
 * caught up are woken by what they want only: a commit costs its events and those who get one.
 */
export class LiveHub {
  private readonly recent: FeedBatch[] = [];
  private recentEvents = 0;
  private at = 0;
  /** Positions of another generation mean nothing in this one: its followers end. */
  private generation = 0;
  private lastHeardAt = Date.now();
  private readonly all = new Set<Follower>();
  private readonly index = new FilterIndex<Follower>();
  /** Those that are ahead of this hub, or of PostgreSQL: woken by every change. */
  private ahead = new Set<() => void>();
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
    this.wakeAll();
  }

  /** The newest position that followers have been told of. */
  head(): number {
    return this.at;
  }

  get followers(): number {
    return this.all.size;
  }

  /** Takes a commit from the feed. One that does not follow the last makes the memory worthless: followers go to PostgreSQL. */
  take(batch: FeedBatch): void {
    this.lastHeardAt = Date.now();
    if (batch.generation < this.generation) return;
    if (batch.generation > this.generation) this.begin(batch.generation, batch.after);
    if (batch.to <= this.at) return;
    const follows = batch.after === this.at;
    if (!follows) this.forget();
    this.recent.push(batch);
    this.recentEvents += batch.events.length;
    while (this.recentEvents > this.recentEventsMax && this.recent.length > 1) this.recentEvents -= this.recent.shift()!.events.length;
    if (follows) {
      this.at = batch.to;
      this.give(batch);
    } else this.moveTo(batch.to);
  }

  /**
   * Matching events after position `after`, in log order, for ever; ends when `signal` aborts, and when the database turns out
   * to be restored from a backup since `generation`: then the reader must ask anew whether its position can be honoured.
   */
  follow(filter: EventFilter, after: number, signal: AbortSignal, generation = this.generation): Follower {
    return new Follower(
      filter,
      signal,
      after,
      () => this.at,
      (follower) => this.steps(follower, generation),
    );
  }

  private async *steps(follower: Follower, generation: number): AsyncGenerator<LiveBatch> {
    const { signal } = follower;
    this.all.add(follower);
    this.index.add(follower);
    try {
      while (!signal.aborted && generation === this.generation) {
        if (follower.position > this.at) await this.changed(signal);
        else if (follower.position === this.at) {
          const given = await follower.wait();
          if (given) yield given;
        } else yield this.remembered(follower) ?? (await this.read(follower));
      }
    } finally {
      this.all.delete(follower);
      this.index.remove(follower);
    }
  }

  /** What memory holds for a follower from its position on; undefined where it does not reach back that far. */
  private remembered(follower: Follower): LiveBatch | undefined {
    const { filter, position } = follower;
    const start = this.indexAfter(position);
    const first = this.recent[start];
    if (!first || first.after > position) return undefined;
    const events = this.recent
      .slice(start)
      .flatMap((batch) => batch.events.filter((event) => event.seq > position && matches(filter, event)));
    follower.position = this.at;
    return { events, seq: this.at };
  }

  /** The next step of a follower from PostgreSQL. */
  private async read(follower: Follower): Promise<LiveBatch> {
    const { filter, position, signal } = follower;
    const page = await this.options.store.query(filter, { after: position, order: 'asc', limit: CATCH_UP_PAGE });
    const reached = page.more ? page.reached : Math.max(page.head, position);
    if (reached === position) await this.changed(signal);
    follower.position = reached;
    return { events: page.events, seq: reached };
  }

  /** Index of the first batch in memory that ends after `position`. */
  private indexAfter(position: number): number {
    let [low, high] = [0, this.recent.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.recent[middle]?.to ?? Infinity) <= position) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private async askStore(): Promise<void> {
    if (this.asking || Date.now() - this.lastHeardAt < this.quietMs) return;
    this.asking = true;
    try {
      const { generation, seq } = await this.options.store.head();
      if (generation > this.generation) this.begin(generation, seq);
      else if (seq > this.at && Date.now() - this.lastHeardAt >= this.quietMs) {
        this.forget();
        this.moveTo(seq);
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
    this.moveTo(at);
  }

  private forget(): void {
    this.recent.length = 0;
    this.recentEvents = 0;
  }

  /** Gives a commit that follows the last to those who wait for something in it. */
  private give({ events, to }: FeedBatch): void {
    const wanted = new Map<Follower, StoredEvent[]>();
    for (const event of events) {
      for (const follower of this.index.matching(event)) {
        const own = wanted.get(follower);
        if (own) own.push(event);
        else if (follower.isWaiting) wanted.set(follower, [event]);
      }
    }
    for (const [follower, own] of wanted) follower.wake({ events: own, seq: to });
    for (const follower of this.index.everything) if (follower.isWaiting) follower.wake({ events, seq: to });
    this.wakeAhead();
  }

  /** Moves the head over what is not in memory: everybody looks for it, from the old head on. */
  private moveTo(at: number): void {
    const before = this.at;
    for (const follower of this.all) if (follower.isWaiting) follower.position = before;
    this.at = at;
    this.wakeAll();
  }

  private wakeAll(): void {
    for (const follower of this.all) follower.wake();
    this.wakeAhead();
  }

  private wakeAhead(): void {
    const { ahead } = this;
    this.ahead = new Set();
    for (const resume of ahead) resume();
  }

  private changed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const resume = () => {
        signal.removeEventListener('abort', abort);
        resolve();
      };
      const abort = () => {
        this.ahead.delete(resume);
        resolve();
      };
      this.ahead.add(resume);
      signal.addEventListener('abort', abort, { once: true });
    });
  }
}
