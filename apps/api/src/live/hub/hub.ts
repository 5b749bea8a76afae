import type { StoredEvent } from '@tributary/events';
import type { FeedBatch } from '@tributary/log';
import { reasonOf } from '@tributary/runtime';
import type { EventStore } from '../../store/event-store.js';
import { type GenerationStart, lastValidSeqOf } from '../../store/writer/generations.js';
import { FilterIndex } from '../../filter/filter-index.js';
import { type EventFilter, matches } from '../../filter/filter.js';
import { Follower, type LiveBatch } from './follower.js';
import { RecentBatches } from './recent-batches.js';

export interface LiveHubOptions {
  store: Pick<EventStore, 'head' | 'query' | 'raiseGeneration'>;
  /** Newest events kept in memory; a follower further behind reads PostgreSQL. */
  recentEventsMax?: number;
  /** Ask PostgreSQL for its head when the feed was silent this long. */
  quietMs?: number;
  logger: { warn(fields: object, message: string): void };
}

/** Takes events as they are stored. It must be quick: it runs within the commit's batch. */
export interface Subscriber {
  readonly filter: EventFilter;
  /** Takes an event; false when there is no room, which ends the subscription. */
  offer(event: StoredEvent): boolean;
  /** Called once after a batch in which something was offered. */
  offered(): void;
  /** The subscription has ended, because what comes next is not in memory. Everything up to `reached` was offered. */
  dropped(reached: number): void;
}

const RECENT_EVENTS_MAX = 10_000;
const CATCH_UP_PAGE = 500;
/** Former generations that followers can come from; one begins with each start of the database server. */
const GENERATIONS_MAX = 100;

/**
 * The one place where live readers meet the log. Followers pull at their own pace: from memory while they keep up, from
 * PostgreSQL when they do not, so that a slow one costs nobody anything and none can miss or repeat an event. Those that have
 * caught up are woken by what they want only: a commit costs its events and those who get one.
 */
export class LiveHub {
  private readonly recent: RecentBatches;
  private headSeq = 0;
  private generationNumber = 0;
  private generationHistory: readonly GenerationStart[] = [];
  /** The highest generation that this process has heard of. */
  private known = 0;
  /** Former generations, and the last number up to which their positions name the same events as now. */
  private readonly lastValidSeqs = new Map<number, number>();
  private lastHeardAt = Date.now();
  private readonly followerIndex = new FilterIndex<Follower>();
  private readonly subscriberIndex = new FilterIndex<Subscriber>();
  /** Those that are ahead of this hub, or of PostgreSQL: woken by every change. */
  private ahead = new Set<() => void>();
  private timer: NodeJS.Timeout | undefined;
  private asking = false;
  private readonly quietMs: number;

  constructor(private readonly options: LiveHubOptions) {
    this.recent = new RecentBatches(options.recentEventsMax ?? RECENT_EVENTS_MAX);
    this.quietMs = options.quietMs ?? 1_000;
  }

  async start(): Promise<void> {
    const { generation, seq, history } = await this.options.store.head();
    this.generationNumber = generation;
    this.generationHistory = history;
    this.known = generation;
    this.headSeq = seq;
    this.timer = setInterval(() => void this.askStore(), this.quietMs);
  }

  stop(): void {
    clearInterval(this.timer);
    this.wakeAll();
  }

  /** The newest position that this hub knows. */
  head(): number {
    return this.headSeq;
  }

  /** The generation that {@link head} is a number of. */
  get generation(): number {
    return this.generationNumber;
  }

  /** The generations that led to {@link generation}, itself the last. */
  get history(): readonly GenerationStart[] {
    return this.generationHistory;
  }

  get followers(): number {
    return this.followerIndex.items.size;
  }

  /** Takes a commit from the feed. If one is missing before it, what is in memory is cleared, and readers ask PostgreSQL. */
  take(batch: FeedBatch): void {
    // Of another generation: PostgreSQL decides which one holds, where it began, and what follows.
    if (batch.generation !== this.generationNumber) return this.noteGeneration(batch.generation);
    this.lastHeardAt = Date.now();
    if (batch.to <= this.headSeq) return;
    const follows = batch.after === this.headSeq;
    if (!follows) this.recent.clear();
    this.recent.add(batch);
    if (follows) {
      this.headSeq = batch.to;
      this.give(batch);
    } else this.moveTo(batch.to);
  }

  /**
   * Matching events after position `after` of `generation`, in log order, for ever. It goes on in a later generation when that
   * began at or after its position. It ends when `signal` aborts, and when events that it has passed are not in the database any
   * more: then the reader must ask anew whether its position can be honoured. What memory does not hold is read through `store`.
   */
  follow(
    filter: EventFilter,
    after: number,
    signal: AbortSignal,
    generation = this.generationNumber,
    store: Pick<EventStore, 'query'> = this.options.store,
  ): Follower {
    return new Follower(
      filter,
      signal,
      { generation, seq: after },
      () => this.headSeq,
      (follower) => this.steps(follower, store),
    );
  }

  /**
   * Offers every matching event after position `after` of `generation` to `subscriber`, those in memory at once.
   * @returns false when memory does not reach back to `after`, or is of another generation: read the database and try again
   */
  subscribe(subscriber: Subscriber, after: number, generation: number): boolean {
    if (generation !== this.generationNumber) return false;
    const missed = after < this.headSeq ? this.recent.after(after) : [];
    if (!missed) return false;
    let offered = false;
    for (const { events } of missed) {
      for (const event of events) {
        if (event.seq <= after || !matches(subscriber.filter, event)) continue;
        if (!subscriber.offer(event)) return false;
        offered = true;
      }
    }
    this.subscriberIndex.add(subscriber);
    if (offered) subscriber.offered();
    return true;
  }

  unsubscribe(subscriber: Subscriber): void {
    this.subscriberIndex.remove(subscriber);
  }

  private async *steps(follower: Follower, store: Pick<EventStore, 'query'>): AsyncGenerator<LiveBatch> {
    const { signal } = follower;
    this.followerIndex.add(follower);
    try {
      while (!signal.aborted) {
        if (follower.generation !== this.generationNumber) {
          if (!(await this.moveToGeneration(follower))) return;
          yield { events: [], seq: follower.position, generation: follower.generation };
        } else if (follower.position > this.headSeq) await this.changed(signal);
        else {
          const given =
            follower.position === this.headSeq ? await follower.wait() : (this.remembered(follower) ?? (await this.read(follower, store)));
          if (given) yield given;
        }
      }
    } finally {
      this.followerIndex.remove(follower);
    }
  }

  /** Moves a follower to the present generation; false where that does not have what the follower has passed. */
  private async moveToGeneration(follower: Follower): Promise<boolean> {
    const { generation, signal } = follower;
    while (generation > this.generationNumber && !this.lastValidSeqs.has(generation) && !signal.aborted) {
      const changed = this.changed(signal);
      this.noteGeneration(generation);
      await changed;
    }
    if (generation !== this.generationNumber && follower.position > (this.lastValidSeqs.get(generation) ?? -1)) return false;
    follower.generation = this.generationNumber;
    return true;
  }

  /** What memory holds for a follower from its position on; undefined where it does not reach back that far. */
  private remembered(follower: Follower): LiveBatch | undefined {
    const { filter, position } = follower;
    const events = this.recent
      .after(position)
      ?.flatMap((batch) => batch.events.filter((event) => event.seq > position && matches(filter, event)));
    if (!events) return undefined;
    follower.position = this.headSeq;
    return { events, seq: this.headSeq, generation: this.generationNumber };
  }

  /** The next step of a follower from PostgreSQL; undefined when a generation began meanwhile, which what was read may be of. */
  private async read(follower: Follower, store: Pick<EventStore, 'query'>): Promise<LiveBatch | undefined> {
    const { filter, position, signal, generation } = follower;
    const page = await store.query(filter, { after: position, order: 'asc', limit: CATCH_UP_PAGE });
    if (generation !== this.generationNumber) return undefined;
    const reached = page.more ? page.reached : Math.max(page.head, position);
    if (reached === position) await this.changed(signal);
    follower.position = reached;
    return { events: page.events, seq: reached, generation };
  }

  private async askStore(): Promise<void> {
    if (this.asking || Date.now() - this.lastHeardAt < this.quietMs) return;
    this.asking = true;
    try {
      do await this.compare();
      while (this.known > this.generationNumber);
    } catch (error) {
      this.options.logger.warn({ reason: reasonOf(error) }, 'the head of the log cannot be read');
    } finally {
      this.asking = false;
    }
  }

  private async compare(): Promise<void> {
    const { store, logger } = this.options;
    // Read before the query: what was announced by then is committed. A lower head means the database lost it.
    const { generationNumber, headSeq, known } = this;
    let head = await store.head();
    if (head.generation < known || (head.generation === generationNumber && head.seq < headSeq)) {
      const { generation, seq } = head;
      logger.warn({ stored: seq, seen: headSeq, generation, known }, 'the database has less than this process has seen of it');
      // Whoever may not write takes the log as it is: a wrong generation is better than no events.
      head = await store.raiseGeneration(generation, known).catch(() => head);
      this.known = head.generation;
    }
    if (head.generation !== this.generationNumber) {
      for (const [generation, lastValid] of [...this.lastValidSeqs, [this.generationNumber, Infinity] as const]) {
        this.lastValidSeqs.set(generation, Math.min(lastValid, lastValidSeqOf(head, generation)));
      }
      this.lastValidSeqs.delete(head.generation);
      for (const [oldest] of this.lastValidSeqs) {
        if (this.lastValidSeqs.size <= GENERATIONS_MAX) break;
        this.lastValidSeqs.delete(oldest);
      }
      this.generationHistory = head.history;
      this.begin(head.generation, head.seq);
    } else if (head.seq > this.headSeq && Date.now() - this.lastHeardAt >= this.quietMs) {
      this.recent.clear();
      this.moveTo(head.seq);
    }
  }

  /** Another process knows this generation: PostgreSQL is asked at once which one holds. */
  private noteGeneration(generation: number): void {
    if (generation <= this.known && generation < this.generationNumber) return;
    this.known = Math.max(this.known, generation);
    this.lastHeardAt = 0;
    void this.askStore();
  }

  private begin(generation: number, headSeq: number): void {
    this.recent.clear();
    this.generationNumber = generation;
    this.known = Math.max(this.known, generation);
    this.moveTo(headSeq);
  }

  /** Gives a commit that follows the last to those who wait for something in it. */
  private give({ events, to, generation }: FeedBatch): void {
    const wanted = new Map<Follower, StoredEvent[]>();
    for (const event of events) {
      for (const follower of this.followerIndex.matching(event)) {
        const own = wanted.get(follower);
        if (own) own.push(event);
        else if (follower.isWaiting) wanted.set(follower, [event]);
      }
    }
    for (const [follower, own] of wanted) follower.wake({ events: own, seq: to, generation });
    for (const follower of this.followerIndex.unfiltered) if (follower.isWaiting) follower.wake({ events, seq: to, generation });
    this.offer(events);
    this.wakeAhead();
  }

  /** Offers events to the subscribers that want them. One that has no room is dropped and costs the others nothing. */
  private offer(events: readonly StoredEvent[]): void {
    if (this.subscriberIndex.items.size === 0) return;
    const touched = new Set<Subscriber>();
    for (const event of events) {
      for (const wanting of [this.subscriberIndex.unfiltered, this.subscriberIndex.matching(event)]) {
        for (const subscriber of wanting) {
          if (subscriber.offer(event)) touched.add(subscriber);
          else this.unsubscribe(subscriber);
        }
      }
    }
    for (const subscriber of touched) subscriber.offered();
  }

  /** Moves the head over what is not in memory: everybody looks for it, from the old head on. */
  private moveTo(headSeq: number): void {
    const before = this.headSeq;
    for (const follower of this.followerIndex.items) if (follower.isWaiting) follower.position = before;
    this.headSeq = headSeq;
    this.wakeAll();
    for (const subscriber of [...this.subscriberIndex.items]) {
      this.unsubscribe(subscriber);
      subscriber.dropped(before);
    }
  }

  private wakeAll(): void {
    for (const follower of this.followerIndex.items) follower.wake();
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
