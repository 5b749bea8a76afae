import type { Entry } from './entry.js';

/** A delivery that is written down and not finished. */
export interface OpenDelivery {
  id: string;
  /** Attempts made. */
  attempt: number;
  /** ms since 1970 of its next attempt. */
  nextAt: number;
  /** When it was cut, or its first event received: what it is late by counts from here. */
  since: number;
  /** What the numbers in `cut` belong to. */
  generation: number;
  /** Set until it has had an attempt: then it has a row of its own. */
  cut?: CutPart;
  /** Its events, kept from the cut to the first attempt; later attempts read them anew. */
  entries?: Entry[];
}

/** A delivery as its cut has it. */
export interface CutPart {
  seqs: number[];
  /** Whose deliveries are counted: the row of the cut goes when none is left. */
  of: Cut;
}

/** A row of `webhook_cuts`. */
export interface Cut {
  id: string;
  /** ms since 1970. */
  createdAt: number;
  /** Deliveries of it without a row of their own. */
  left: number;
}

/** Deliveries that are sent one after the other, or side by side. */
export interface Lane {
  /** Takes up deliveries in log order, those just cut or found in the database. */
  add(deliveries: readonly OpenDelivery[]): void;
  /** Whether {@link take} would give something. */
  ready(now: number): boolean;
  /** The next delivery whose time has come, taken onto the wire. */
  take(now: number): OpenDelivery | undefined;
  /** Off the wire, finished. */
  done(delivery: OpenDelivery): void;
  /** Off the wire, to be sent again at its `nextAt`. */
  again(delivery: OpenDelivery): void;
  /** The earliest `nextAt` of those that wait for it; undefined when none does. */
  readonly nextAt: number | undefined;
  /**
   * Deliveries that may be cut now, where `ahead` are made ready behind those on the wire, so that it does not wait for the
   * database; by halves, so that a cut is worth its transaction.
   */
  room(ahead: number): number;
  /** Whether the wire has taken everything that it may have. */
  readonly isDry: boolean;
  /** Whether it will not take new ones for a while, because of failures. */
  readonly stuck: boolean;
  readonly size: number;
  /** How many are on the wire. */
  readonly sending: number;
  /** Deliveries on the wire. */
  readonly onWire: readonly OpenDelivery[];
  /** Deliveries that are not on the wire. */
  readonly idle: readonly OpenDelivery[];
  /** Replaces everything that is not on the wire; `deliveries` are in log order. */
  replace(deliveries: readonly OpenDelivery[]): void;
}

function roomOf(ready: number, ahead: number): number {
  return ready <= ahead / 2 ? ahead - ready : 0;
}

/** Strictly in order: one on the wire, and nothing passes a delivery that fails. */
export class OrderedLane implements Lane {
  private items: OpenDelivery[] = [];
  private busy = false;

  add(deliveries: readonly OpenDelivery[]): void {
    this.items.push(...deliveries);
  }

  ready(now: number): boolean {
    const [first] = this.items;
    return !this.busy && first !== undefined && first.nextAt <= now;
  }

  take(now: number): OpenDelivery | undefined {
    if (!this.ready(now)) return undefined;
    this.busy = true;
    return this.items[0];
  }

  done(): void {
    this.items.shift();
    this.busy = false;
  }

  again(): void {
    this.busy = false;
    // Those behind it wait as long as it does: their events are not kept in memory for that.
    for (const delivery of this.items) delete delivery.entries;
  }

  get nextAt(): number | undefined {
    return this.busy ? undefined : this.items[0]?.nextAt;
  }

  /** Behind a delivery that fails nothing is cut: what waits there follows a changed filter. */
  room(ahead: number): number {
    return this.stuck ? 0 : roomOf(this.items.length - this.sending, ahead);
  }

  get isDry(): boolean {
    return this.items.length === 0;
  }

  get stuck(): boolean {
    return this.items[0] !== undefined && this.items[0].attempt > 0;
  }

  get size(): number {
    return this.items.length;
  }

  get sending(): number {
    return this.busy ? 1 : 0;
  }

  get onWire(): readonly OpenDelivery[] {
    return this.busy ? this.items.slice(0, 1) : [];
  }

  get idle(): readonly OpenDelivery[] {
    return this.busy ? this.items.slice(1) : this.items;
  }

  replace(deliveries: readonly OpenDelivery[]): void {
    const kept = this.onWire;
    this.items = [...kept, ...deliveries.filter(({ id }) => id !== kept[0]?.id)];
  }
}

/** Once a delivery of a parallel endpoint waits for a further attempt, it gets no more open ones than this. */
const RETRYING_MAX = 1_000;

/** Side by side: a delivery that fails waits for its next attempt and lets the others pass. */
export class ParallelLane implements Lane {
  private due: OpenDelivery[] = [];
  private taken = 0;
  /** Ordered by `nextAt`. */
  private waiting: OpenDelivery[] = [];
  private readonly wire = new Set<OpenDelivery>();

  constructor(private readonly retryingMax = RETRYING_MAX) {}

  add(deliveries: readonly OpenDelivery[]): void {
    const now = Date.now();
    for (const delivery of deliveries) {
      if (delivery.nextAt <= now) this.due.push(delivery);
      else this.wait(delivery);
    }
  }

  ready(now: number): boolean {
    const [first] = this.waiting;
    return this.taken < this.due.length || (first !== undefined && first.nextAt <= now);
  }

  take(now: number): OpenDelivery | undefined {
    while (this.waiting[0] && this.waiting[0].nextAt <= now) this.due.push(this.waiting.shift()!);
    const delivery = this.due[this.taken];
    if (!delivery) return undefined;
    this.taken += 1;
    if (this.taken > 64 && this.taken * 2 > this.due.length) {
      this.due = this.due.slice(this.taken);
      this.taken = 0;
    }
    this.wire.add(delivery);
    return delivery;
  }

  done(delivery: OpenDelivery): void {
    this.wire.delete(delivery);
  }

  again(delivery: OpenDelivery): void {
    this.wire.delete(delivery);
    this.wait(delivery);
  }

  get nextAt(): number | undefined {
    return this.waiting[0]?.nextAt;
  }

  get isDry(): boolean {
    return this.taken === this.due.length;
  }

  get stuck(): boolean {
    return this.waiting.length >= this.retryingMax;
  }

  /**
   * While deliveries fail, those that are ready or on the wire count too: each of them may soon wait for a further attempt. While
   * none fails, `ahead` is the bound.
   */
  room(ahead: number): number {
    const room = roomOf(this.due.length - this.taken, ahead);
    return this.waiting.length === 0 ? room : Math.max(0, Math.min(room, this.retryingMax - this.size));
  }

  get size(): number {
    return this.due.length - this.taken + this.waiting.length + this.wire.size;
  }

  get sending(): number {
    return this.wire.size;
  }

  get onWire(): readonly OpenDelivery[] {
    return [...this.wire];
  }

  get idle(): readonly OpenDelivery[] {
    return [...this.due.slice(this.taken), ...this.waiting];
  }

  replace(deliveries: readonly OpenDelivery[]): void {
    const wire = new Set([...this.wire].map(({ id }) => id));
    this.due = [];
    this.taken = 0;
    this.waiting = [];
    this.add(deliveries.filter(({ id }) => !wire.has(id)));
  }

  private wait(delivery: OpenDelivery): void {
    let [low, high] = [0, this.waiting.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.waiting[middle]!.nextAt <= delivery.nextAt) low = middle + 1;
      else high = middle;
    }
    this.waiting.splice(low, 0, delivery);
  }
}
