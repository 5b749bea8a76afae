import type { Effect } from './totals.js';

interface Entry {
  n: number;
  effect: Effect | undefined;
  delivered: boolean;
  /** The encoded message; only while it is young enough to be repeated. */
  bytes: Buffer | undefined;
}

/** Messages whose delivery can still be noted. */
const ENTRIES_MAX = 64;
/** A larger message is not repeated, nor is anything before it. */
const BYTES_MAX = 262_144;

/** The newest messages of a broadcast, which are repeated to new viewers, and whether any viewer received them. */
export class History {
  private entries: Entry[] = [];

  /** `count`: how many messages are repeated. */
  constructor(private readonly count: number) {}

  clear(): void {
    this.entries = [];
  }

  add(n: number, effect: Effect | undefined): void {
    this.entries.push({ n, effect, delivered: false, bytes: undefined });
  }

  /** Takes the encoded form of what the last `added` messages leave to be repeated; `message` gives the i-th of them. */
  keep(added: number, message: (index: number, bytesMax: number) => Buffer | undefined): void {
    const { entries } = this;
    for (let age = 0; age < entries.length; age++) {
      const entry = entries[entries.length - 1 - age] as Entry;
      if (age >= added && !entry.bytes) break;
      if (age >= this.count) entry.bytes = undefined;
      else if (age < added) entry.bytes = message(added - 1 - age, BYTES_MAX);
    }
  }

  /** Forgets what is too old to be noted. */
  trim(): void {
    if (this.entries.length > ENTRIES_MAX) this.entries.splice(0, this.entries.length - ENTRIES_MAX);
  }

  /** What can be repeated now, oldest first, with consecutive ordinals. */
  repeatable(): { n: number; bytes: Buffer }[] {
    const from = this.entries.findLastIndex((entry) => !entry.bytes);
    return this.entries.slice(from + 1) as { n: number; bytes: Buffer }[];
  }

  /** Records that a viewer received the messages from `first` to `last`; calls `deliver` for each at its first delivery. */
  reached(first: number, last: number, deliver: (effect: Effect | undefined) => void): void {
    for (let i = this.entries.length - 1; i >= 0; i--) {
      const entry = this.entries[i] as Entry;
      if (entry.n < first) return;
      if (entry.n > last || entry.delivered) continue;
      entry.delivered = true;
      deliver(entry.effect);
    }
  }
}
