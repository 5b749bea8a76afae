import { LRUCache } from 'lru-cache';
import type { Entry } from './kinds.js';

interface SizedEntry {
  entry: Entry<unknown>;
  bytes: number;
}

/** Entries in this process. The least recently used go when there are too many, or when they take too many bytes. */
export class MemoryLevel {
  private readonly entries: LRUCache<string, SizedEntry>;

  constructor({ entriesMax, bytesMax }: { entriesMax: number; bytesMax: number }) {
    this.entries = new LRUCache({ max: entriesMax, maxSize: bytesMax, sizeCalculation: ({ bytes }) => Math.max(1, bytes) });
  }

  get(key: string): Entry<unknown> | undefined {
    return this.entries.get(key)?.entry;
  }

  /** An entry larger than the whole level is not kept, and neither is an older one of its key. */
  set(key: string, entry: Entry<unknown>, bytes: number): void {
    this.entries.set(key, { entry, bytes });
  }

  delete(key: string): void {
    this.entries.delete(key);
  }

  get size(): { entries: number; bytes: number } {
    return { entries: this.entries.size, bytes: this.entries.calculatedSize };
  }
}
