import type { Entry } from './kinds.js';

interface Held {
  entry: Entry<unknown>;
  bytes: number;
}

/** Entries in this process: the least recently used go when there are too many, or they take too many bytes. */
export class MemoryLevel {
  private readonly held = new Map<string, Held>();
  private bytesHeld = 0;
  private newest: string | undefined;

  constructor(private readonly bounds: { entriesMax: number; bytesMax: number }) {}

  get(key: string): Entry<unknown> | undefined {
    const found = this.held.get(key);
    if (!found) return undefined;
    // What is asked for again and again is the newest already.
    if (key !== this.newest) {
      this.held.delete(key);
      this.held.set(key, found);
      this.newest = key;
    }
    return found.entry;
  }

  set(key: string, entry: Entry<unknown>, bytes: number): void {
    this.delete(key);
    if (bytes > this.bounds.bytesMax) return;
    this.held.set(key, { entry, bytes });
    this.newest = key;
    this.bytesHeld += bytes;
    while (this.held.size > this.bounds.entriesMax || this.bytesHeld > this.bounds.bytesMax) {
      const oldest = this.held.keys().next();
      if (oldest.done) return;
      this.delete(oldest.value);
    }
  }

  delete(key: string): void {
    const found = this.held.get(key);
    if (!found) return;
    this.bytesHeld -= found.bytes;
    this.held.delete(key);
    if (key === this.newest) this.newest = undefined;
  }

  get size(): { entries: number; bytes: number } {
    return { entries: this.held.size, bytes: this.bytesHeld };
  }
}
