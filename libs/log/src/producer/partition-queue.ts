/** One event as append.lua takes it: creator, fence, handover state, id, type, handle, room, ts, at, data, raw. */
export interface Item {
  args: string[];
  /** Approximate size in memory. */
  bytes: number;
  /** ms since 1970. */
  takenAt: number;
}

export const CREATOR_ARG = 0;
export const FENCE_ARG = 1;
const ID_ARG = 3;
const TYPE_ARG = 4;
const HANDLE_ARG = 5;
const ROOM_ARG = 6;
const RECEIVED_ARG = 8;
/** What append.lua gets in place of a fence once the fence of an event was checked. */
export const ACCEPTED = '';
export const REFUSED = '!';

/** Names one refused event. */
export interface RefusedEvent {
  id: string;
  creatorId: string;
  /** The fence it was received under. */
  fence: string;
  type: string;
  handle: string;
  roomId: string;
  receivedAt: number;
}

export function nameOf(args: readonly string[]): RefusedEvent {
  return {
    id: args[ID_ARG]!,
    creatorId: args[CREATOR_ARG]!,
    fence: args[FENCE_ARG]!,
    type: args[TYPE_ARG]!,
    handle: args[HANDLE_ARG]!,
    roomId: args[ROOM_ARG]!,
    receivedAt: receivedAt(args),
  };
}

export function receivedAt(args: readonly string[]): number {
  return Number(args[RECEIVED_ARG]);
}

/** What the process that takes over a run must know of one partition. */
export interface Verdicts {
  /** All up to this number is stored or refused. */
  confirmed: number;
  /** The fences of all events up to this number were checked. */
  judged: number;
  /** Of these, the ones refused. */
  refused: ReadonlySet<number>;
}

/**
 * The events of one run in one partition, from the oldest that is not stored to the newest, by number. Events up to `base`
 * are on disk alone, later ones in memory. Events up to `sent` are in Redis.
 */
export class PartitionQueue implements Verdicts {
  readonly items: Item[] = [];
  /** Number of the event before `items[0]`. */
  base: number;
  confirmed: number;
  sent: number;
  judged: number;
  readonly refused: Set<number>;
  busy = false;
  failures = 0;
  /** Epoch of the partition at the last append, and the number of the newest event when it was seen to be another one: a wipe. */
  epoch = '';
  wipedUpTo = 0;
  /** Changes when events are renumbered, since an answer about old numbers does not hold for new ones. */
  generation = 0;
  /** Redis failed or was full at the last try. */
  isStuck = false;
  /** ms since 1970 when the oldest event that is on disk alone and not in Redis was taken, about. */
  diskOldestAt = 0;

  /** `onDisk`: number of the last event of a run whose events are all on disk. */
  constructor({ confirmed, judged, refused }: Verdicts = { confirmed: 0, judged: 0, refused: new Set() }, onDisk = 0) {
    this.confirmed = confirmed;
    this.sent = confirmed;
    this.judged = judged;
    this.refused = new Set(refused);
    this.base = Math.max(onDisk, confirmed);
  }

  /** Number of the newest event. */
  get taken(): number {
    return this.base + this.items.length;
  }

  get unsent(): number {
    return this.taken - this.sent;
  }

  get unconfirmed(): number {
    return this.taken - this.confirmed;
  }

  /** ms since 1970 when the oldest event that is not in Redis was taken. */
  get oldestUnsentAt(): number | undefined {
    if (this.unsent === 0) return undefined;
    return this.sent < this.base ? this.diskOldestAt : this.items[this.sent - this.base]?.takenAt;
  }

  /** Events in memory from number `from` on, up to `count` or `bytesMax` (one at least, where there is one). */
  slice(from: number, countMax: number, bytesMax: number): Item[] {
    const batch: Item[] = [];
    for (let i = from - this.base - 1, bytes = 0; i < this.items.length && batch.length < countMax && bytes < bytesMax; i += 1) {
      batch.push(this.items[i]!);
      bytes += this.items[i]!.bytes;
    }
    return batch;
  }

  /** The fence with which an event is sent. A fence is checked once, whoever holds the creator when the event is sent again. */
  fenceOf(n: number, fence: string): string {
    if (n > this.judged) return fence;
    return this.refused.has(n) ? REFUSED : ACCEPTED;
  }

  /** Keeps verdicts of events up to `upTo`; returns the numbers that were refused now. */
  judge(upTo: number, refused: readonly number[]): number[] {
    const fresh = refused.filter((n) => n > this.judged);
    for (const n of fresh) this.refused.add(n);
    this.judged = Math.max(this.judged, upTo);
    return fresh;
  }

  /** Drops what the store has committed, and refused events behind that; returns the bytes of memory that became free. */
  confirm(stored: number): number {
    let upTo = Math.max(this.confirmed, Math.min(stored, this.sent));
    while (upTo < this.sent && this.refused.has(upTo + 1)) upTo += 1;
    if (upTo === this.confirmed) return 0;
    this.confirmed = upTo;
    // Sets keep their order, and numbers were added as they rose.
    for (const n of this.refused) {
      if (n > upTo) break;
      this.refused.delete(n);
    }
    return this.drop(upTo);
  }

  /** Drops events up to `upTo` from memory, which are stored or on disk; returns the bytes that became free. */
  drop(upTo: number): number {
    const count = Math.min(upTo - this.base, this.items.length);
    if (count <= 0) return 0;
    const sentInMemory = Math.max(0, this.sent - this.base);
    if (sentInMemory < count) this.diskOldestAt ||= this.items[sentInMemory]!.takenAt;
    this.base += count;
    return this.items.splice(0, count).reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Events before number `next` can no longer be read. Only when all before them is confirmed. */
  skipTo(next: number): void {
    this.confirmed = next - 1;
    this.sent = next - 1;
    this.judged = Math.max(this.judged, next - 1);
  }

  /**
   * Continues as another run, which numbers the events in memory from 1; their verdicts stay. Events that are on disk alone
   * stay with the process that has taken the old run.
   * @returns how many those are: not yet judged, and not yet confirmed
   */
  renumber(): { unjudged: number; unconfirmed: number } {
    const { base } = this;
    const left = { unjudged: Math.max(0, base - this.judged), unconfirmed: base - this.confirmed };
    const refused = [...this.refused];
    this.refused.clear();
    for (const n of refused) if (n > base) this.refused.add(n - base);
    this.judged = Math.max(0, this.judged - base);
    this.wipedUpTo = Math.max(0, this.wipedUpTo - base);
    this.base = 0;
    this.confirmed = 0;
    this.sent = 0;
    this.diskOldestAt = 0;
    this.generation += 1;
    return left;
  }
}
