import type { StoredEvent } from '@tributary/events';
import { type Logger, reasonOf } from '@tributary/runtime';
import type { LiveHub, Subscriber } from '../../live/hub/hub.js';
import type { EventFilter } from '../../filter/filter.js';
import { type OutboundEvent, outboundEventOf, type OutboundEventReader } from '../request/outbound-events.js';
import type { EndpointHealth } from '../endpoint/endpoint-health.js';
import { type Batch, isEntitled, type Owner } from '../endpoint/endpoint.js';
import type { DeliveryQueue } from './queue.js';

/** A step of a cursor that is to be committed: its position moves, and each group of events becomes a delivery. */
export interface Step {
  from: number;
  to: number;
  /** Events in log order, by delivery. */
  groups: OutboundEvent[][];
}

export interface EndpointCursorOptions {
  endpointId: string;
  /** Of the endpoint's settings: a step that was planned with other ones is not committed. */
  version: number;
  /** Of a cursor that replays. */
  replayId?: string;
  position: number;
  /** What `position` is a number of. */
  generation: number;
  /** The last number that is read; a replay has one. */
  end?: number;
  filter: EventFilter;
  batch?: Batch;
  hub: Pick<LiveHub, 'head' | 'generation' | 'history' | 'subscribe' | 'unsubscribe'>;
  entries: Pick<OutboundEventReader, 'page'>;
  /** Runs a query, with few others at a time. */
  read(work: () => Promise<void>): Promise<void>;
  /** Takes what is planned. */
  queue: DeliveryQueue;
  /** Plans the next step in its next transaction: it calls {@link EndpointCursor.plan}. */
  planner: { request(cursor: EndpointCursor): void };
  /** No events are held for an endpoint that takes nothing for a while, or whose owner's right has ended. */
  health: Pick<EndpointHealth, 'isResting'>;
  owner: Owner;
  /** Called when retention has taken events that were not looked at; nothing is read before somebody has seen to it. */
  expired(oldest: number): void;
  /** Called when the log is in another generation than the position: nothing is read before the endpoint is loaded again. */
  outdated(): void;
  logger: Logger;
}

/** Events read ahead: few, and more for an endpoint that takes them quickly. */
const PENDING = { min: 128, max: 4_096, quickMs: 100, slowMs: 1_000 };
/** Numbers of the log looked at in one query. */
const RANGE = { min: 4_000, max: 128_000 };
/** Deliveries of one step; what is beyond is left to the next. */
const STEP_MAX = 400;
const READ_RETRY_MS = 1_000;
const HUB_RETRY_MS = 100;

/**
 * Stage 1: one position in the log, and the matching events just ahead of it. It reads the database until it has caught up, then
 * takes what the hub offers. When its endpoint is slow it leaves the hub again, so that it never holds more than a few events.
 */
export class EndpointCursor implements Subscriber {
  /** The endpoint's id, or the replay's. */
  readonly id: string;
  readonly endpointId: string;
  readonly version: number;
  readonly replayId: string | undefined;
  readonly queue: DeliveryQueue;
  readonly filter: EventFilter;
  readonly end: number | undefined;
  /** What every number here belongs to: in another generation the position is read from the database again, by another cursor. */
  readonly generation: number;
  /** As the database has it: everything up to here is planned or did not match. */
  position: number;
  /** Plans nothing until its endpoint is loaded again. */
  paused = false;
  /** While a step is being committed, no other begins. */
  private moving = false;
  private pending: { entry: OutboundEvent; at: number }[] = [];
  private readTo: number;
  private following = false;
  private reading = false;
  private closed = false;
  private range = RANGE.min;
  private filledAt = 0;
  /** No read before, by the monotonic clock: the last one failed, or found a newer generation than the hub's. */
  private retryAt = -Infinity;
  /** Wakes it when a batch has waited long enough, or a read may be tried again. */
  private timer: NodeJS.Timeout | undefined;
  private readonly pendingMin: number;
  private pendingMax: number;

  constructor(private readonly options: EndpointCursorOptions) {
    this.id = options.replayId ?? options.endpointId;
    this.endpointId = options.endpointId;
    this.version = options.version;
    this.replayId = options.replayId;
    this.queue = options.queue;
    this.filter = options.filter;
    this.end = options.end;
    this.generation = options.generation;
    this.position = options.position;
    this.readTo = options.position;
    this.pendingMin = Math.max(PENDING.min, 2 * (options.batch?.maxEvents ?? 0));
    this.pendingMax = this.pendingMin;
  }

  /** Everything up to here was looked at. */
  get lookedAt(): number {
    return this.following ? Math.max(this.readTo, this.options.hub.head()) : this.readTo;
  }

  /** Another cursor has taken its place. */
  get isClosed(): boolean {
    return this.closed;
  }

  /** A replay that has planned all it has to. */
  get isFinished(): boolean {
    return this.end !== undefined && this.position >= this.end;
  }

  /** When the oldest event that waits was received, ms since 1970; undefined when none waits. */
  get oldestReceivedAt(): number | undefined {
    return this.pending[0]?.entry.event.receivedAt;
  }

  /** Events that wait to be planned. */
  get waiting(): number {
    return this.pending.length;
  }

  offer(event: StoredEvent): boolean {
    if (event.seq <= this.readTo) return true;
    if (this.pending.length >= this.pendingMax) {
      // Nothing after the last one taken was looked at, as far as this cursor is concerned.
      this.readTo = this.pending.at(-1)!.entry.seq;
      this.following = false;
      return false;
    }
    const { history } = this.options.hub;
    this.pending.push({ entry: outboundEventOf(event, history, this.generation), at: Date.now() });
    return true;
  }

  dropped(reached: number): void {
    this.readTo = Math.max(this.readTo, reached);
    this.following = false;
    this.advance();
  }

  offered(): void {
    this.advance();
  }

  /** Does what can be done: reads on, asks for a plan, or gives up what it holds. Called whenever one of these may have become possible. */
  advance(now = Date.now()): void {
    if (this.closed) return;
    if (this.isResting(now)) return this.dropPending();
    if (this.needsFill && performance.now() >= this.retryAt) void this.fill();
    if (this.isReady(now)) {
      if (this.queue.room > 0) this.options.planner.request(this);
    } else if (this.batchDueAt !== undefined && this.batchDueAt > now) this.wakeIn(this.batchDueAt - now);
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    this.unsubscribe();
  }

  /** Whether the database has to be asked for what comes next. */
  get needsFill(): boolean {
    if (this.closed || this.following || this.reading) return false;
    return this.pending.length < this.pendingMax / 2 && this.readTo < (this.end ?? Infinity);
  }

  /** Reads on from the database, or subscribes to the hub when it has caught up. */
  async fill(): Promise<void> {
    if (!this.needsFill) return;
    const before = this.pending.length;
    // What the hub still has in memory may fill the room by itself.
    if (this.subscribe() || this.pending.length > before) return this.advance();
    this.reading = true;
    let goesOn = false;
    try {
      await this.options.read(async () => {
        goesOn = await this.readPage();
      });
    } catch (error) {
      this.options.logger.debug({ cursor: this.id, reason: reasonOf(error) }, 'events cannot be read for a webhook; trying again');
      this.retryIn(READ_RETRY_MS);
    } finally {
      this.reading = false;
    }
    if (!goesOn) return;
    const { hub } = this.options;
    // Where the hub has not come to this generation yet, it is asked again in a moment.
    if (this.end === undefined && hub.generation !== this.generation) this.retryIn(HUB_RETRY_MS);
    else if (this.end === undefined && this.readTo >= hub.head()) this.subscribe();
    this.advance();
  }

  /**
   * The next step, if there is one: as many deliveries as the queue has room for. A batch is planned when it is full, or when its
   * first event has waited long enough. No other step begins before {@link committed}.
   */
  plan(now = Date.now()): Step | undefined {
    if (this.moving || this.paused || this.closed) return undefined;
    const { room } = this.queue;
    const groups: OutboundEvent[][] = [];
    const size = this.options.batch?.maxEvents ?? 1;
    let taken = 0;
    while (groups.length < Math.min(room, STEP_MAX) && taken < this.pending.length) {
      if (this.pending.length - taken < size && now < this.dueAt(taken)) break;
      const group = this.pending.slice(taken, taken + size).map(({ entry }) => entry);
      groups.push(group);
      taken += group.length;
    }
    if (groups.length === 0) return undefined;
    const to = taken === this.pending.length ? this.lookedAt : this.pending[taken - 1]!.entry.seq;
    this.pending.splice(0, taken);
    this.moving = true;
    return { from: this.position, to, groups };
  }

  /** A step over what did not match; undefined while something is pending. */
  planSkip(): Step | undefined {
    if (this.moving || this.paused || this.closed || this.pending.length > 0 || this.lookedAt <= this.position) return undefined;
    this.moving = true;
    return { from: this.position, to: this.lookedAt, groups: [] };
  }

  /** The database has made the step. */
  committed({ to }: Step): void {
    this.position = to;
    this.moving = false;
  }

  /** Whether {@link plan} would give a step, given room. */
  isReady(now: number): boolean {
    const size = this.options.batch?.maxEvents ?? 1;
    return !this.moving && this.pending.length > 0 && (this.pending.length >= size || now >= this.dueAt(0));
  }

  /** When a batch that is not full has waited long enough, ms since 1970; undefined when nothing waits. */
  get batchDueAt(): number | undefined {
    return this.pending.length > 0 ? this.dueAt(0) : undefined;
  }

  private dueAt(index: number): number {
    return this.pending[index]!.at + (this.options.batch?.maxWaitMs ?? 0);
  }

  /** False when there is nothing to go on with: it was closed, or somebody else has to see to its position first. */
  private async readPage(): Promise<boolean> {
    const now = performance.now();
    if (now - this.filledAt < PENDING.quickMs) this.pendingMax = Math.max(this.pendingMax, Math.min(PENDING.max, this.pendingMax * 2));
    else if (now - this.filledAt > PENDING.slowMs) this.pendingMax = this.pendingMin;
    this.filledAt = now;
    const limit = Math.max(1, this.pendingMax - this.pending.length);
    const to = Math.min(this.end ?? Infinity, this.readTo + this.range);
    const page = await this.options.entries.page(this.filter, { after: this.readTo, to, limit });
    if (this.closed) return false;
    if (page.generation !== this.generation) {
      this.close();
      this.options.outdated();
      return false;
    }
    // A replay goes on with what is left: it was asked for what there is.
    if (this.end === undefined && this.readTo < page.oldest - 1) {
      this.options.expired(page.oldest);
      return false;
    }
    const at = Date.now();
    for (const entry of page.entries) this.pending.push({ entry, at });
    this.readTo = page.reached;
    // A wider span where little matches: many numbers in one query, and never a query that has to look at too many.
    this.range = page.entries.length < limit / 2 ? Math.min(RANGE.max, this.range * 2) : Math.max(RANGE.min, this.range / 2);
    return true;
  }

  private isResting(now: number): boolean {
    const { health, owner } = this.options;
    return !isEntitled(owner, now) || health.isResting(this.queue, now);
  }

  /** Forgets what is pending; it is read again later. */
  private dropPending(): void {
    if (this.moving || this.reading || (this.pending.length === 0 && !this.following)) return;
    this.unsubscribe();
    this.readTo = this.position;
  }

  private retryIn(ms: number): void {
    this.retryAt = performance.now() + ms;
    this.wakeIn(ms);
  }

  private wakeIn(ms: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.advance(), ms);
    this.timer.unref();
  }

  private subscribe(): boolean {
    if (this.end !== undefined) return false;
    // Before it subscribes: what the hub offers at once counts as looked at.
    this.following = true;
    if (this.options.hub.subscribe(this, this.readTo, this.generation)) return true;
    this.following = false;
    return false;
  }

  private unsubscribe(): void {
    if (this.following) this.options.hub.unsubscribe(this);
    this.following = false;
    this.pending = [];
  }
}
