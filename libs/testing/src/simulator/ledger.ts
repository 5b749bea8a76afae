import { methodName } from './methods.js';
import { decimal } from './wire.js';

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
  /** The WebSockets that acknowledged its frame. */
  acked: string[];
}

const FIRST_CAPACITY = 256;

/**
 * Numbered messages of one creator in a ring of `entriesMax`, about 30 bytes each: 2,000 rooms for hours in one process.
 * Sets of connections are kept once and referred to by number.
 */
export class Ledger {
  private capacity = FIRST_CAPACITY;
  private high = new Uint32Array(FIRST_CAPACITY);
  private low = new Uint32Array(FIRST_CAPACITY);
  private method = new Uint16Array(FIRST_CAPACITY);
  private room = new Uint16Array(FIRST_CAPACITY);
  private at = new Float64Array(FIRST_CAPACITY);
  private written = new Uint32Array(FIRST_CAPACITY);
  private acked = new Uint32Array(FIRST_CAPACITY);
  private readonly sets = new ConnectionSets();
  private readonly rooms: string[] = [];
  private last = 0;

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
    this.high[slot] = high;
    this.low[slot] = low;
    this.method[slot] = methodIndex;
    if (this.rooms.at(-1) !== roomId) this.rooms.push(roomId);
    this.room[slot] = this.rooms.length - 1;
    this.at[slot] = at;
    this.written[slot] = 0;
    this.acked[slot] = 0;
    return n;
  }

  /** Notes that entries `from` to `to` were written to a connection (again). */
  markWritten(from: number, to: number, connection: string): void {
    this.mark(this.written, from, to, connection);
  }

  markAcked(from: number, to: number, connection: string): void {
    this.mark(this.acked, from, to, connection);
  }

  isWritten(n: number): boolean {
    return n >= this.tail && n <= this.last && this.written[n % this.capacity] !== 0;
  }

  isAcked(n: number): boolean {
    return n >= this.tail && n <= this.last && this.acked[n % this.capacity] !== 0;
  }

  get(n: number): LedgerEntry | undefined {
    if (n < this.tail || n > this.last) return undefined;
    const slot = n % this.capacity;
    return {
      n,
      roomId: this.rooms[this.room[slot] ?? 0] ?? '',
      msgId: decimal(this.high[slot] ?? 0, this.low[slot] ?? 0),
      method: methodName(this.method[slot] ?? 0),
      at: this.at[slot] ?? 0,
      connections: [...this.sets.members(this.written[slot] ?? 0)],
      acked: [...this.sets.members(this.acked[slot] ?? 0)],
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
    const old = { ...this };
    this.capacity = Math.min(this.entriesMax + 1, this.capacity * 2);
    this.high = new Uint32Array(this.capacity);
    this.low = new Uint32Array(this.capacity);
    this.method = new Uint16Array(this.capacity);
    this.room = new Uint16Array(this.capacity);
    this.at = new Float64Array(this.capacity);
    this.written = new Uint32Array(this.capacity);
    this.acked = new Uint32Array(this.capacity);
    for (let n = Math.max(1, this.last - old.capacity); n < this.last; n++) {
      const [from, to] = [n % old.capacity, n % this.capacity];
      this.high[to] = old.high[from] ?? 0;
      this.low[to] = old.low[from] ?? 0;
      this.method[to] = old.method[from] ?? 0;
      this.room[to] = old.room[from] ?? 0;
      this.at[to] = old.at[from] ?? 0;
      this.written[to] = old.written[from] ?? 0;
      this.acked[to] = old.acked[from] ?? 0;
    }
  }
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
