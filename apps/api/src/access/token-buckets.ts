/** What a bucket says about one request. */
export interface BucketVerdict {
  allowed: boolean;
  limit: number;
  remaining: number;
  /** Seconds until the bucket is full again. */
  resetSeconds: number;
  /** Seconds until a refused request would be allowed. */
  retrySeconds: number;
}

const SWEEP_EVERY = 10_000;

/** Token buckets by name: each holds `perMinute` tokens and gets them back evenly over a minute. Full buckets are forgotten. */
export class TokenBuckets {
  private readonly buckets = new Map<string, { tokens: number; at: number }>();
  private taken = 0;

  constructor(private readonly perMinute: number) {}

  /** Takes one token of the bucket `name` at `now` (ms). */
  take(name: string, now = Date.now()): BucketVerdict {
    const perMs = this.perMinute / 60_000;
    const bucket = this.buckets.get(name) ?? { tokens: this.perMinute, at: now };
    bucket.tokens = Math.min(this.perMinute, bucket.tokens + Math.max(0, now - bucket.at) * perMs);
    bucket.at = now;
    const allowed = bucket.tokens >= 1;
    if (allowed) bucket.tokens -= 1;
    this.buckets.set(name, bucket);
    if (++this.taken % SWEEP_EVERY === 0) this.sweep(now);
    return {
      allowed,
      limit: this.perMinute,
      remaining: Math.floor(bucket.tokens),
      resetSeconds: Math.ceil((this.perMinute - bucket.tokens) / perMs / 1000),
      retrySeconds: allowed ? 0 : Math.max(1, Math.ceil((1 - bucket.tokens) / perMs / 1000)),
    };
  }

  get size(): number {
    return this.buckets.size;
  }

  private sweep(now: number): void {
    for (const [name, { at }] of this.buckets) if (now - at > 60_000) this.buckets.delete(name);
  }
}
