import type { Clock } from './clock.js';

export interface TurnQueueOptions {
  /** Turns given in any window of this length. */
  perWindowMax: number;
  windowMs: number;
  /** Turns taken and not yet done. */
  runningMax: number;
  clock: Clock;
}

/** A place in the queue. */
export interface Ticket {
  /** True when it is this one's turn, false when its signal aborted first. */
  readonly turn: Promise<boolean>;
  /** 1 is next; 0 once the turn has come. */
  place(): number;
  /** Estimated wait in ms, by the budget alone. */
  waitMs(): number;
  /** Gives the place up: its turn never comes. */
  leave(): void;
  /** The turn is over; call it once the turn was had. */
  done(): void;
}

interface Waiting {
  resolve(turn: boolean): void;
  urgent: boolean;
  place: number;
}

/**
 * Gives turns at a bounded rate, urgent ones first, each kind in the order of arrival: however many ask at once, a
 * server behind it is asked `perWindowMax` times per window at most.
 */
export class TurnQueue {
  private readonly urgent = new Set<Waiting>();
  private readonly normal = new Set<Waiting>();
  /** When the turns of the running window were given, oldest first. */
  private readonly given: number[] = [];
  private running = 0;
  private heldUntil = 0;
  /** While the server behind it is in doubt: when the next turn may be had, one at a time. */
  private probeAt: number | undefined;
  private timer: AbortController | undefined;

  constructor(private readonly options: TurnQueueOptions) {}

  get waiting(): number {
    return this.urgent.size + this.normal.size;
  }

  /** Turns that could be had at once, beyond those already waited for. */
  get free(): number {
    this.forget();
    const { perWindowMax, clock } = this.options;
    return this.probeAt !== undefined || clock.now() < this.heldUntil ? 0 : Math.max(0, perWindowMax - this.given.length - this.waiting);
  }

  /** Turns given within the running window. */
  get usedInWindow(): number {
    this.forget();
    return this.given.length;
  }

  /** Gives no turn before this moment (ms since 1970): the server behind it asked for a rest. */
  holdUntil(at: number): void {
    this.heldUntil = Math.max(this.heldUntil, at);
  }

  /** Gives one turn at a time, and none before this moment (ms since 1970), until {@link trust}: the server behind it does not answer. */
  doubt(probeAt: number): void {
    this.probeAt = probeAt;
  }

  /** The server behind it answers: turns are given as ever, to all who wait. */
  trust(): void {
    if (this.probeAt === undefined) return;
    this.probeAt = undefined;
    this.pump();
  }

  /** Takes a place. */
  enter(urgent: boolean, signal: AbortSignal): Ticket {
    let resolve: (turn: boolean) => void = () => undefined;
    const turn = new Promise<boolean>((settle) => (resolve = settle));
    const queue = urgent ? this.urgent : this.normal;
    const entry: Waiting = { resolve, urgent, place: (urgent ? 0 : this.urgent.size) + queue.size + 1 };
    const leave = () => {
      if (queue.delete(entry)) resolve(false);
    };
    if (signal.aborted) {
      resolve(false);
    } else {
      queue.add(entry);
      signal.addEventListener('abort', leave, { once: true });
      void turn.then(() => signal.removeEventListener('abort', leave));
      this.pump();
    }
    let open = true;
    return {
      turn,
      place: () => (queue.has(entry) ? entry.place : 0),
      waitMs: () => (queue.has(entry) ? this.estimate(entry.place) : 0),
      leave,
      done: () => {
        if (!open) return;
        open = false;
        this.running -= 1;
        this.pump();
      },
    };
  }

  /** Numbers the places anew; call it before reading many of them. */
  count(): void {
    let place = 0;
    for (const queue of [this.urgent, this.normal]) for (const entry of queue) entry.place = place += 1;
  }

  private get closedUntil(): number {
    return Math.max(this.heldUntil, this.probeAt ?? 0);
  }

  private estimate(place: number): number {
    this.forget();
    const { perWindowMax, windowMs, clock } = this.options;
    const now = clock.now();
    const heldMs = Math.max(0, this.closedUntil - now);
    const free = perWindowMax - this.given.length;
    if (place <= free) return heldMs;
    // The turn comes when the one given a whole window's worth of turns before it falls out of the window.
    const after = place - free - 1;
    const base = this.given[after % perWindowMax] ?? now;
    return Math.max(heldMs, base + windowMs * (1 + Math.floor(after / perWindowMax)) - now);
  }

  private forget(): void {
    const oldest = this.options.clock.now() - this.options.windowMs;
    let count = 0;
    while (count < this.given.length && (this.given[count] ?? 0) <= oldest) count += 1;
    if (count > 0) this.given.splice(0, count);
  }

  private pump(): void {
    this.forget();
    const { perWindowMax, windowMs, clock } = this.options;
    const runningMax = this.probeAt === undefined ? this.options.runningMax : 1;
    const now = clock.now();
    while (this.waiting > 0 && this.running < runningMax && this.given.length < perWindowMax && now >= this.closedUntil) {
      const queue = this.urgent.size > 0 ? this.urgent : this.normal;
      const [entry] = queue;
      if (!entry) return;
      queue.delete(entry);
      this.given.push(now);
      this.running += 1;
      entry.resolve(true);
    }
    if (this.waiting === 0 || this.running >= runningMax || this.timer) return;
    const freeAt = this.given.length < perWindowMax ? 0 : (this.given[0] ?? 0) + windowMs;
    this.wakeAt(Math.max(freeAt, this.closedUntil));
  }

  private wakeAt(at: number): void {
    const timer = new AbortController();
    this.timer = timer;
    void this.options.clock.sleep(Math.max(1, at - this.options.clock.now()), timer.signal).then(() => {
      this.timer = undefined;
      this.pump();
    });
  }
}
