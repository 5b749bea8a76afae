import type { Delivery } from './delivery.js';

/** Deliveries made ready behind those on the wire: at least `min`, and up to `max` while the wire would wait for the database. */
export interface Lookahead {
  min: number;
  max: number;
}

export interface DeliveryQueueOptions {
  ordered: boolean;
  ahead: Lookahead;
  /** Once a delivery waits for a further attempt, a parallel queue gets no more deliveries than this. */
  retryingMax?: number;
  /** Sends what is accepted; without one, whoever owns the queue looks for itself. */
  dispatcher?: { wake(): void };
}

const RETRYING_MAX = 1_000;
/** A queue that is filled less often than this has no need to be ahead, in ms. */
const SLOW_MS = 1_000;

/**
 * Stage 3: deliveries that are committed and not finished. It says which one is sent next, and how many more may be planned.
 *
 * An ordered queue sends one at a time, in log order; nothing passes a delivery that failed. A parallel queue sends any number at a
 * time; a failed delivery waits for its next attempt and lets the others pass.
 */
export class DeliveryQueue {
  /** In log order. Of a parallel queue: those that are due. */
  private pending: Delivery[] = [];
  /** Index of the first of `pending` that is not taken: to shift an array with each delivery would copy it every time. */
  private first = 0;
  /** Of a parallel queue: those that are not due, by `nextAttemptAt`. */
  private retries: Delivery[] = [];
  private readonly wire = new Set<Delivery>();

  readonly ordered: boolean;
  private readonly retryingMax: number;
  private bounds: Lookahead;
  private ahead: number;
  private acceptedAt = 0;

  constructor(private readonly options: DeliveryQueueOptions) {
    this.ordered = options.ordered;
    this.retryingMax = options.retryingMax ?? RETRYING_MAX;
    this.bounds = options.ahead;
    this.ahead = options.ahead.min;
  }

  /** Takes over changed bounds. */
  resize(ahead: Lookahead): void {
    this.bounds = ahead;
    this.ahead = ahead.min;
  }

  /** Takes up deliveries that were just planned, and decides how many to plan ahead: more when the last ones were used up too early. */
  accept(deliveries: readonly Delivery[], now = Date.now()): void {
    const { min, max } = this.bounds;
    if (now - this.acceptedAt > SLOW_MS) this.ahead = min;
    else if (this.isDrained && deliveries.length >= this.ahead / 2) this.ahead = Math.min(max, 2 * this.ahead);
    this.acceptedAt = now;
    this.add(deliveries);
    this.options.dispatcher?.wake();
  }

  /** Takes up deliveries in log order. */
  add(deliveries: readonly Delivery[]): void {
    const now = Date.now();
    for (const delivery of deliveries) {
      delivery.state = 'queued';
      if (this.ordered || delivery.nextAttemptAt <= now) this.pending.push(delivery);
      else this.insertRetry(delivery);
    }
  }

  /** The next delivery whose time has come, put on the wire; undefined when there is none. */
  take(now: number): Delivery | undefined {
    if (!this.hasDue(now)) return undefined;
    while (this.retries[0] && this.retries[0].nextAttemptAt <= now) this.pending.push(this.retries.shift()!);
    const delivery = this.pending[this.first++]!;
    if (this.first > 64 && this.first * 2 > this.pending.length) {
      this.pending = this.pending.slice(this.first);
      this.first = 0;
    }
    delivery.state = 'sending';
    this.wire.add(delivery);
    return delivery;
  }

  /** Whether {@link take} would give something. */
  hasDue(now: number): boolean {
    const next = this.head;
    if (this.ordered) return this.wire.size === 0 && next !== undefined && next.nextAttemptAt <= now;
    return next !== undefined || (this.retries[0] !== undefined && this.retries[0].nextAttemptAt <= now);
  }

  /** Off the wire: it has ended. */
  remove(delivery: Delivery): void {
    this.wire.delete(delivery);
  }

  /** Off the wire: it is sent again at its `nextAttemptAt`. */
  retry(delivery: Delivery): void {
    this.wire.delete(delivery);
    delivery.state = 'queued';
    if (!this.ordered) return this.insertRetry(delivery);
    this.pending = [delivery, ...this.pending.slice(this.first)];
    this.first = 0;
    // Those behind it wait as long as it does: their events are not kept in memory for that.
    for (const other of this.pending) delete other.events;
  }

  /** Replaces everything that is not on the wire; `deliveries` are in log order. */
  replace(deliveries: readonly Delivery[]): void {
    const sending = new Set(Array.from(this.wire, ({ id }) => id));
    this.pending = [];
    this.first = 0;
    this.retries = [];
    this.add(deliveries.filter(({ id }) => !sending.has(id)));
  }

  /** The earliest `nextAttemptAt` of deliveries that are not due, ms since 1970; undefined when there is none. */
  get nextAttemptAt(): number | undefined {
    if (!this.ordered) return this.retries[0]?.nextAttemptAt;
    return this.wire.size > 0 ? undefined : this.head?.nextAttemptAt;
  }

  /**
   * Deliveries that may be planned now: some are made ready behind those on the wire, so that the wire does not wait for the
   * database. By halves, so that a plan is worth its transaction. While deliveries fail, those that are ready or on the
   * wire count too, because each of them may soon wait for a further attempt; behind a failed delivery of an ordered queue nothing is
   * planned, so that what waits there follows a changed filter.
   */
  get room(): number {
    if (this.ordered && this.isBlocked) return 0;
    const ready = this.pending.length - this.first;
    const room = ready <= this.ahead / 2 ? this.ahead - ready : 0;
    return this.retries.length === 0 ? room : Math.max(0, Math.min(room, this.retryingMax - this.size));
  }

  /** Whether it takes no new deliveries for a while, because of failures. */
  get isBlocked(): boolean {
    if (!this.ordered) return this.retries.length >= this.retryingMax;
    const [oldest = this.head] = this.wire;
    return oldest !== undefined && oldest.attempts > 0;
  }

  /** Whether the wire has taken everything that it may have. */
  get isDrained(): boolean {
    return this.head === undefined && !(this.ordered && this.wire.size > 0);
  }

  /** Deliveries that are not finished. */
  get size(): number {
    return this.pending.length - this.first + this.retries.length + this.wire.size;
  }

  /** How many are on the wire. */
  get sending(): number {
    return this.wire.size;
  }

  get onWire(): readonly Delivery[] {
    return [...this.wire];
  }

  /** Deliveries that are not on the wire. */
  get waiting(): readonly Delivery[] {
    return [...this.pending.slice(this.first), ...this.retries];
  }

  private get head(): Delivery | undefined {
    return this.pending[this.first];
  }

  private insertRetry(delivery: Delivery): void {
    let [low, high] = [0, this.retries.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.retries[middle]!.nextAttemptAt <= delivery.nextAttemptAt) low = middle + 1;
      else high = middle;
    }
    this.retries.splice(low, 0, delivery);
  }
}
