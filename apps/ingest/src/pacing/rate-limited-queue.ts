import type { Clock } from './clock.js';

export interface RateLimitedQueueOptions {
  /** Entries that start in any window of this length. */
  perWindowMax: number;
  windowMs: number;
  /** Entries that have started and are not released. */
  runningMax: number;
  clock: Clock;
}

/** One entry of the queue. */
export interface Ticket {
  /** True when the entry may start, false when its signal aborted or it was cancelled first. */
  readonly started: Promise<boolean>;
  /** Place in the queue: 1 is next, 0 once it has started. As of the last {@link RateLimitedQueue.renumber}. */
  place(): number;
  /** Estimated wait in ms, by the rate alone. */
  waitMs(): number;
  /** Leaves the queue: the entry never starts. */
  cancel(): void;
  /** The work is over. Call it once the entry has started. */
  release(): void;
}

interface Entry {
  resolve(hasStarted: boolean): void;
  place: number;
}

/**
 * Starts entries at a bounded rate: urgent ones first, each kind in the order of arrival. However many wait, the server
 * behind it gets `perWindowMax` requests per window at most.
 */
export class RateLimitedQueue {
  private readonly urgent = new Set<Entry>();
  private readonly normal = new Set<Entry>();
  /** When the entries of the running window started, oldest first. */
  private readonly starts: number[] = [];
  private running = 0;
  private heldUntil = 0;
  /** While the server does not answer: when the next single entry may start. */
  private probeAt: number | undefined;
  private timer: AbortController | undefined;

  constructor(private readonly options: RateLimitedQueueOptions) {}

  get waiting(): number {
    return this.urgent.size + this.normal.size;
  }

  /** Entries that could start at once, beyond those that already wait. */
  get free(): number {
    this.dropOldStarts();
    const { perWindowMax, clock } = this.options;
    if (this.probeAt !== undefined || clock.now() < this.heldUntil) return 0;
    return Math.max(0, perWindowMax - this.starts.length - this.waiting);
  }

  /** Entries that started within the running window. */
  get usedInWindow(): number {
    this.dropOldStarts();
    return this.starts.length;
  }

  /** Starts nothing before this moment (ms since 1970): the server asked for a pause. */
  holdUntil(at: number): void {
    this.heldUntil = Math.max(this.heldUntil, at);
  }

  /** Until {@link resume}, starts one entry at a time, and none before `probeAt` (ms since 1970): the server does not answer. */
  probeOnly(probeAt: number): void {
    this.probeAt = probeAt;
  }

  /** The server answers again: entries start as usual. */
  resume(): void {
    if (this.probeAt === undefined) return;
    this.probeAt = undefined;
    this.startDue();
  }

  /** Adds an entry; it leaves the queue when `signal` aborts. */
  enqueue(urgent: boolean, signal: AbortSignal): Ticket {
    let resolve: (hasStarted: boolean) => void = () => undefined;
    const started = new Promise<boolean>((settle) => (resolve = settle));
    const queue = urgent ? this.urgent : this.normal;
    const entry: Entry = { resolve, place: (urgent ? 0 : this.urgent.size) + queue.size + 1 };
    const cancel = () => {
      if (queue.delete(entry)) resolve(false);
    };
    if (signal.aborted) {
      resolve(false);
    } else {
      queue.add(entry);
      signal.addEventListener('abort', cancel, { once: true });
      void started.then(() => signal.removeEventListener('abort', cancel));
      this.startDue();
    }
    let isReleased = false;
    return {
      started,
      place: () => (queue.has(entry) ? entry.place : 0),
      waitMs: () => (queue.has(entry) ? this.estimateMs(entry.place) : 0),
      cancel,
      release: () => {
        if (isReleased) return;
        isReleased = true;
        this.running -= 1;
        this.startDue();
      },
    };
  }

  /** Numbers the places anew. Call it before reading many of them: it costs one pass over the queue. */
  renumber(): void {
    let place = 0;
    for (const queue of [this.urgent, this.normal]) for (const entry of queue) entry.place = place += 1;
  }

  private get closedUntil(): number {
    return Math.max(this.heldUntil, this.probeAt ?? 0);
  }

  private estimateMs(place: number): number {
    this.dropOldStarts();
    const { perWindowMax, windowMs, clock } = this.options;
    const now = clock.now();
    const heldMs = Math.max(0, this.closedUntil - now);
    const free = perWindowMax - this.starts.length;
    if (place <= free) return heldMs;
    // An entry starts when the one `perWindowMax` places before it falls out of the window.
    const after = place - free - 1;
    const base = this.starts[after % perWindowMax] ?? now;
    return Math.max(heldMs, base + windowMs * (1 + Math.floor(after / perWindowMax)) - now);
  }

  private dropOldStarts(): void {
    const oldest = this.options.clock.now() - this.options.windowMs;
    let count = 0;
    while (count < this.starts.length && (this.starts[count] ?? 0) <= oldest) count += 1;
    if (count > 0) this.starts.splice(0, count);
  }

  private startDue(): void {
    this.dropOldStarts();
    const { perWindowMax, windowMs, clock } = this.options;
    const runningMax = this.probeAt === undefined ? this.options.runningMax : 1;
    const now = clock.now();
    while (this.waiting > 0 && this.running < runningMax && this.starts.length < perWindowMax && now >= this.closedUntil) {
      const queue = this.urgent.size > 0 ? this.urgent : this.normal;
      const [entry] = queue;
      if (!entry) return;
      queue.delete(entry);
      this.starts.push(now);
      this.running += 1;
      entry.resolve(true);
    }
    if (this.waiting === 0 || this.running >= runningMax || this.timer) return;
    const freeAt = this.starts.length < perWindowMax ? 0 : (this.starts[0] ?? 0) + windowMs;
    this.startAt(Math.max(freeAt, this.closedUntil));
  }

  private startAt(at: number): void {
    const timer = new AbortController();
    this.timer = timer;
    void this.options.clock.sleep(Math.max(1, at - this.options.clock.now()), timer.signal).then(() => {
      this.timer = undefined;
      this.startDue();
    });
  }
}
