import type { FeedBatch } from '@tributary/log';

/** The newest commits, without a hole between them. */
export class RecentBatches {
  private readonly batches: FeedBatch[] = [];
  private events = 0;

  /** @param eventsMax events that are kept; the newest batch is kept whatever its size */
  constructor(private readonly eventsMax: number) {}

  /** Takes a batch that follows the last one. */
  add(batch: FeedBatch): void {
    this.batches.push(batch);
    this.events += batch.events.length;
    while (this.events > this.eventsMax && this.batches.length > 1) this.events -= this.batches.shift()!.events.length;
  }

  /** Forgets everything: what comes next does not follow it. */
  clear(): void {
    this.batches.length = 0;
    this.events = 0;
  }

  /** The batches that end after `position`, in log order; undefined where what is kept begins later, or ends before it. */
  after(position: number): readonly FeedBatch[] | undefined {
    const start = this.indexAfter(position);
    const first = this.batches[start];
    return first && first.after <= position ? this.batches.slice(start) : undefined;
  }

  /** Index of the first batch that ends after `position`. */
  private indexAfter(position: number): number {
    let [low, high] = [0, this.batches.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.batches[middle]?.to ?? Infinity) <= position) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
