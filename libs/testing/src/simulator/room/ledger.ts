import { methodName } from '../wire/methods.js';
import type { Effect } from './totals.js';
import { decimal } from '../wire/protobuf.js';

/** One numbered message of a room, as the ledger serves it. */
export interface LedgerEntry {
  /** Ordinal within the creator, from 1, over all of its rooms. */
  n: number;
  roomId: string;
  msgId: string;
  method: string;
  /** When it was made (and, on open connections, written), ms since 1970. */
  at: number;
  /** Where it was written to: `c…` a WebSocket, `f…` an im/fetch answer. */
  connections: string[];
  /** Place in the order in which messages were first written to a WebSocket; 0 when none was. Differs from `n` under the fault `order`. */
  wire: number;
  /** The WebSockets that acknowledged its frame. */
  acked: string[];
  /** Of a gift: its run (missing where the gift has none), the count told so far in that run, and the diamonds of one. */
  gift?: { streak?: string; count: number; diamonds: number };
}

type Gift = Extract<Effect, { kind: 'gift' }>;

const FIRST_CAPACITY = 256;

/**
 * Numbered messages of one creator in a ring of `entriesMax`, about 34 bytes each: 2,000 rooms for hours in one process.
 * Sets of connections are kept once and referred to by number.
 */
export class Ledger {
  private capacity = FIRST_CAPACITY;
  private columns = makeColumns(FIRST_CAPACITY);
  private readonly sets = new ConnectionSets();
  private readonly rooms: string[] = [];
  /** By ordinal; one message in ten is a gift. */
  private readonly gifts = new Map<number, Gift>();
  private last = 0;
  private wire = 0;

  constructor(private readonly entriesMax: number) {}

  /** Number of the newest entry; 0 before the first. */
  get head(): number {
    return this.last;
  }

  /** Number of the oldest entry still kept. */
  get tail(): number {
    return Math.max(1, this.last - this.entriesMax + 1);
  }

  append(roomId: string, methodIndex: number, high: number, low: number, at: number): number {
    const n = ++this.last;
    if (n > this.capacity && this.capacity < this.entriesMax) this.grow();
    const slot = n % this.capacity;
    this.columns.high[slot] = high;
    this.columns.low[slot] = low;
    this.columns.method[slot] = methodIndex;
    if (this.rooms.at(-1) !== roomId) this.rooms.push(roomId);
    this.columns.room[slot] = this.rooms.length - 1;
    this.columns.at[slot] = at;
    this.columns.written[slot] = 0;
    this.columns.acked[slot] = 0;
    this.columns.wire[slot] = 0;
    this.gifts.delete(n - this.entriesMax);
    return n;
  }

  /** Notes what an entry gave, if it is a gift. */
  markGift(n: number, effect: Effect | undefined): void {
    if (effect?.kind === 'gift') this.gifts.set(n, effect);
  }

  /** Notes that these were written to a WebSocket, in this order; only the first time counts. */
  markWire(ordinals: Iterable<number>): void {
    for (const n of ordinals) {
      const slot = n % this.capacity;
      if (n >= this.tail && this.columns.wire[slot] === 0) this.columns.wire[slot] = ++this.wire;
    }
  }

  /** The same for a range in the order of its numbers. */
  markWireRange(from: number, to: number): void {
    for (let n = Math.max(from, this.tail); n <= to; n++) {
      const slot = n % this.capacity;
      if (this.columns.wire[slot] === 0) this.columns.wire[slot] = ++this.wire;
    }
  }

  /** Notes that entries `from` to `to` were written to a connection (again). */
  markWritten(from: number, to: number, connection: string): void {
    this.mark(this.columns.written, from, to, connection);
  }

  markAcked(from: number, to: number, connection: string): void {
    this.mark(this.columns.acked, from, to, connection);
  }

  isAcked(n: number): boolean {
    return n >= this.tail && n <= this.last && this.columns.acked[n % this.capacity] !== 0;
  }

  get(n: number): LedgerEntry | undefined {
    if (n < this.tail || n > this.last) return undefined;
    const slot = n % this.capacity;
    const gift = this.gifts.get(n);
    return {
      n,
      roomId: this.rooms[this.columns.room[slot] ?? 0] ?? '',
      msgId: decimal(this.columns.high[slot] ?? 0, this.columns.low[slot] ?? 0),
      method: methodName(this.columns.method[slot] ?? 0),
      at: this.columns.at[slot] ?? 0,
      connections: [...this.sets.members(this.columns.written[slot] ?? 0)],
      wire: this.columns.wire[slot] ?? 0,
      acked: [...this.sets.members(this.columns.acked[slot] ?? 0)],
      ...(gift ? { gift: { streak: gift.streak, count: gift.count, diamonds: gift.diamonds } } : {}),
    };
  }

  /** Entries after `after`, oldest first, at most `limit`. */
  *entries(after = 0, limit = Number.POSITIVE_INFINITY): Generator<LedgerEntry> {
    for (let n = Math.max(after + 1, this.tail), count = 0; n <= this.last && count < limit; n++, count++) {
      const entry = this.get(n);
      if (entry) yield entry;
    }
  }

  private mark(column: Uint32Array, from: number, to: number, connection: string): void {
    for (let n = Math.max(from, this.tail); n <= Math.min(to, this.last); n++) {
      const slot = n % this.capacity;
      column[slot] = this.sets.with(column[slot] ?? 0, connection);
    }
  }

  private grow(): void {
    const [old, oldCapacity] = [this.columns, this.capacity];
    this.capacity = Math.min(this.entriesMax + 1, this.capacity * 2);
    this.columns = makeColumns(this.capacity);
    const pairs = Object.keys(old).map((name) => [old[name as keyof Columns], this.columns[name as keyof Columns]] as const);
    for (let n = Math.max(1, this.last - oldCapacity); n < this.last; n++) {
      for (const [from, to] of pairs) to[n % this.capacity] = from[n % oldCapacity] ?? 0;
    }
  }
}

type Columns = ReturnType<typeof makeColumns>;

function makeColumns(capacity: number) {
  return {
    high: new Uint32Array(capacity),
    low: new Uint32Array(capacity),
    method: new Uint16Array(capacity),
    room: new Uint16Array(capacity),
    at: new Float64Array(capacity),
    written: new Uint32Array(capacity),
    acked: new Uint32Array(capacity),
    wire: new Uint32Array(capacity),
  };
}

/** Sets of connection ids, each kept once; 0 is the empty set. */
class ConnectionSets {
  private readonly sets: (readonly string[])[] = [[]];
  private readonly byKey = new Map<string, number>([['', 0]]);
  /** The last transition, which almost every message repeats. */
  private lastFrom = -1;
  private lastConnection = '';
  private lastTo = 0;

  members(index: number): readonly string[] {
    return this.sets[index] ?? [];
  }

  with(index: number, connection: string): number {
    if (index === this.lastFrom && connection === this.lastConnection) return this.lastTo;
    const members = this.members(index);
    let result = index;
    if (!members.includes(connection)) {
      const grown = [...members, connection];
      const key = grown.join(' ');
      result = this.byKey.get(key) ?? this.sets.push(grown) - 1;
      this.byKey.set(key, result);
    }
    this.lastFrom = index;
    this.lastConnection = connection;
    this.lastTo = result;
    return result;
  }
}
