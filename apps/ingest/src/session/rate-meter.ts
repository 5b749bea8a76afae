const BUCKET_MS = 10_000;
const BUCKETS = 6;

/** Messages per second over the last minute, for estimating what a gap has cost. */
export class RateMeter {
  private readonly counts = Array.from({ length: BUCKETS }, () => 0);
  private bucket: number;

  constructor(private readonly startedAt: number) {
    this.bucket = Math.floor(startedAt / BUCKET_MS);
  }

  add(count: number, now: number): void {
    this.turn(now);
    this.counts[this.bucket % BUCKETS]! += count;
  }

  perSecond(now: number): number {
    this.turn(now);
    const oldest = (this.bucket - BUCKETS + 1) * BUCKET_MS;
    const spanMs = Math.max(1_000, now - Math.max(oldest, this.startedAt));
    return (this.counts.reduce((sum, count) => sum + count, 0) * 1000) / spanMs;
  }

  private turn(now: number): void {
    const current = Math.floor(now / BUCKET_MS);
    for (let skipped = Math.min(current - this.bucket, BUCKETS); skipped > 0; skipped -= 1) {
      this.counts[(current - skipped + 1) % BUCKETS] = 0;
    }
    this.bucket = Math.max(this.bucket, current);
  }
}
