import type { EventFilter } from '../store/filter.js';
import type { Batch, DeliveryIds } from './endpoint.js';
import type { Entry, EntryReader } from './entry.js';
import type { LogTail, TailFollower } from './log-tail.js';

/** A delivery that is about to be written down: its events, in log order. */
export interface NewDelivery {
  id: string;
  entries: Entry[];
}

/** A step that a reader wants to make in the database: its position moves, and the deliveries come into being with it. */
export interface Move {
  reader: LogReader;
  from: number;
  to: number;
  deliveries: NewDelivery[];
}

export interface LogReaderOptions {
  /** The endpoint's id, or the replay's. */
  id: string;
  /** Set for the reader of a replay. */
  replayId?: string;
  position: number;
  /** What `position` is a number of. */
  generation: number;
  /** The last number that is read; a replay has one. */
  end?: number;
  filter: EventFilter;
  batch?: Batch;
  tail: LogTail;
  entries: EntryReader;
  ids: DeliveryIds;
  /** Called when there may be something to do. */
  wake(): void;
  /** Called when retention has taken events that were not looked at; nothing is read before somebody has seen to it. */
  expired(oldest: number): void;
  /** Called when the log is in another generation than the position: nothing is read before it was judged anew. */
  outdated(): void;
}

/** Events read ahead: few, and more for an endpoint that takes them quickly. */
const PENDING = { min: 128, max: 4_096, quickMs: 100, slowMs: 1_000 };
/** Numbers of the log looked at in one query. */
const RANGE = { min: 4_000, max: 128_000 };
/** Deliveries of one cut; what is beyond is left to the next. */
const CUT_MAX = 400;

/**
 * One position in the log and what lies just ahead of it. It reads the database until it has caught up, then follows the
 * tail; when its endpoint is slow it falls off the tail again, so that it never holds more than a few events.
 */
export class LogReader implements TailFollower {
  readonly id: string;
  readonly replayId: string | undefined;
  readonly filter: EventFilter;
  readonly end: number | undefined;
  /** What every number here belongs to: in another generation the position is read from the database again, by another reader. */
  readonly generation: number;
  /** As the database has it: everything up to here is cut or did not match. */
  position: number;
  /** While a move of the position is under way, no other begins. */
  moving = false;
  private pending: { entry: Entry; at: number }[] = [];
  private readTo: number;
  private following = false;
  private reading = false;
  /** It has caught up with the database, and the tail is still in the generation before; what follows is read after {@link LogTail} is renewed. */
  private parked = false;
  private closed = false;
  private range = RANGE.min;
  private filledAt = 0;
  private readonly pendingMin: number;
  private pendingMax: number;

  constructor(private readonly options: LogReaderOptions) {
    this.id = options.id;
    this.replayId = options.replayId;
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
    return this.following ? Math.max(this.readTo, this.options.tail.at) : this.readTo;
  }

  /** A replay that has cut all it has to. */
  get finished(): boolean {
    return this.end !== undefined && this.position >= this.end;
  }

  /** When the oldest event that waits was received; undefined when none waits. */
  get oldestReceivedAt(): number | undefined {
    return this.pending[0]?.entry.event.receivedAt;
  }

  get waiting(): number {
    return this.pending.length;
  }

  offer(entry: Entry): boolean {
    if (entry.seq <= this.readTo) return true;
    if (this.pending.length >= this.pendingMax) {
      // Nothing after the last one taken was looked at, as far as this reader is concerned.
      this.readTo = this.pending.at(-1)!.entry.seq;
      this.following = false;
      return false;
    }
    this.pending.push({ entry, at: Date.now() });
    return true;
  }

  offered(): void {
    this.options.wake();
  }

  /** Forgets what is pending: an endpoint that takes nothing for a while holds no events. They are read again later. */
  shed(): void {
    if (this.moving || this.reading || (this.pending.length === 0 && !this.following)) return;
    if (this.following) this.options.tail.leave(this);
    this.following = false;
    this.pending = [];
    this.readTo = this.position;
  }

  close(): void {
    this.closed = true;
    if (this.following) this.options.tail.leave(this);
    this.following = false;
    this.pending = [];
  }

  /** Whether the database has to be asked for what comes next. */
  get hungry(): boolean {
    const enough = this.pending.length >= this.pendingMax / 2;
    return (
      !this.closed && !this.parked && !this.following && !this.reading && !enough && !(this.end !== undefined && this.readTo >= this.end)
    );
  }

  /** Reads on from the database, or joins the tail when it has caught up. */
  async fill(): Promise<void> {
    const { tail, entries } = this.options;
    if (!this.hungry) return;
    const before = this.pending.length;
    // What the tail still has in memory may fill the room by itself.
    if (this.join() || this.pending.length > before) return this.options.wake();
    this.reading = true;
    const now = performance.now();
    if (now - this.filledAt < PENDING.quickMs) this.pendingMax = Math.max(this.pendingMax, Math.min(PENDING.max, this.pendingMax * 2));
    else if (now - this.filledAt > PENDING.slowMs) this.pendingMax = this.pendingMin;
    this.filledAt = now;
    try {
      const limit = Math.max(1, this.pendingMax - this.pending.length);
      const to = Math.min(this.end ?? Infinity, this.readTo + this.range);
      const page = await entries.page(this.filter, { after: this.readTo, to, limit });
      if (this.closed) return;
      if (page.generation !== this.generation) {
        this.close();
        return this.options.outdated();
      }
      // A replay goes on with what is left: it was asked for what there is.
      if (this.end === undefined && this.readTo < page.oldest - 1) return this.options.expired(page.oldest);
      const at = Date.now();
      for (const entry of page.entries) this.pending.push({ entry, at });
      this.readTo = page.reached;
      // A wider span where little matches: many numbers in one query, and never a query that has to look at too many.
      this.range = page.entries.length < limit / 2 ? Math.min(RANGE.max, this.range * 2) : Math.max(RANGE.min, this.range / 2);
    } finally {
      this.reading = false;
    }
    if (this.end !== undefined || this.readTo < tail.at) return this.options.wake();
    if (!this.join() && tail.generation !== this.generation) this.parked = true;
    if (!this.following || this.pending.length > 0) this.options.wake();
  }

  /**
   * The next step, if there is one: up to `room` deliveries. A batch is cut when it is full, or when its first event has
   * waited long enough.
   */
  plan(room: number, now = Date.now()): Move | undefined {
    if (this.moving || this.closed) return undefined;
    const deliveries: NewDelivery[] = [];
    const size = this.options.batch?.maxEvents ?? 1;
    let taken = 0;
    while (deliveries.length < Math.min(room, CUT_MAX) && taken < this.pending.length) {
      if (this.pending.length - taken < size && now < this.dueAt(taken)) break;
      const part = this.pending.slice(taken, taken + size).map(({ entry }) => entry);
      deliveries.push({ id: this.options.ids.next(now), entries: part });
      taken += part.length;
    }
    if (deliveries.length === 0) return undefined;
    const to = taken === this.pending.length ? this.lookedAt : this.pending[taken - 1]!.entry.seq;
    this.pending.splice(0, taken);
    this.moving = true;
    return { reader: this, from: this.position, to, deliveries };
  }

  /** A step over what did not match; undefined while something is pending. */
  planPass(): Move | undefined {
    if (this.moving || this.closed || this.pending.length > 0 || this.lookedAt <= this.position) return undefined;
    this.moving = true;
    return { reader: this, from: this.position, to: this.lookedAt, deliveries: [] };
  }

  /** The database has made the step. */
  moved({ to }: Move): void {
    this.position = to;
    this.moving = false;
  }

  /** Whether {@link plan} would cut something, given room. */
  ready(now: number): boolean {
    const size = this.options.batch?.maxEvents ?? 1;
    return !this.moving && this.pending.length > 0 && (this.pending.length >= size || now >= this.dueAt(0));
  }

  /** When a batch that is not full has waited long enough; undefined when nothing waits. */
  get batchDueAt(): number | undefined {
    return this.pending.length > 0 ? this.dueAt(0) : undefined;
  }

  private dueAt(index: number): number {
    return this.pending[index]!.at + (this.options.batch?.maxWaitMs ?? 0);
  }

  private join(): boolean {
    if (this.end !== undefined) return false;
    this.following = true;
    if (this.options.tail.join(this, this.readTo)) return true;
    this.following = false;
    return false;
  }
}
