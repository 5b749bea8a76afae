import type { Entry } from './kinds.js';

interface Held {
  entry: Entry<unknown>;
  bytes: number;
}

/** Entries in this process: the least recently used go when there are too many, or they take too many bytes. */
export class MemoryLevel {
  private readonly held = new Map<string, Held>();
  private bytesHeld = 0;

  constructor(private readonly bounds: { entriesMax: number; bytesMax: number }) {}

  get(key: string): Entry<unknown> | undefined {
    const found = this.held.get(key);
    if (!found) return undefined;
    this.held.delete(key);
    this.held.set(key, found);
    return found.entry;
  }

  set(key: string, entry: Entry<unknown>, bytes: number): void {
    this.delete(key);
    if (bytes > this.bounds.bytesMax) return;
    this.held.set(key, { entry, bytes });
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
  }

  get size(): { entries: number; bytes: number } {
    return { entries: this.held.size, bytes: this.bytesHeld };
  }
}
