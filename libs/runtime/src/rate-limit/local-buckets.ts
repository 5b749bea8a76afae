/** How much a bucket holds, and in which time it gets that back. */
export interface BucketPlan {
  limit: number;
  periodMs: number;
}

/** What a bucket says about one request. */
export interface BucketVerdict {
  allowed: boolean;
  limit: number;
  remaining: number;
  /** ms until the bucket is full again. */
  resetMs: number;
  /** ms until a refused request would be allowed; 0 for one that is. */
  retryMs: number;
}

/** The verdict on the request that found the bucket `aheadMs` away from full. */
export function verdictOf({ limit, periodMs }: BucketPlan, allowed: boolean, aheadMs: number): BucketVerdict {
  const interval = periodMs / limit;
  const after = allowed ? aheadMs + interval : aheadMs;
  return {
    allowed,
    limit,
    remaining: Math.max(0, Math.floor((periodMs - after) / interval + 1e-6)),
    resetMs: Math.ceil(after),
    retryMs: allowed ? 0 : Math.max(1, Math.ceil(aheadMs + interval - periodMs)),
  };
}

/** Token buckets of this process alone, for the time in which Redis does not answer; the oldest are forgotten past a number. */
export class LocalBuckets {
  /** When each will be full, in ms; in the order of their last use. */
  private readonly fullAt = new Map<string, number>();

  constructor(
    private readonly bucketsMax: number,
    private readonly now: () => number = Date.now,
  ) {}

  get size(): number {
    return this.fullAt.size;
  }

  take(name: string, plan: BucketPlan): BucketVerdict {
    const now = this.now();
    const aheadMs = Math.min(plan.periodMs, Math.max(0, (this.fullAt.get(name) ?? 0) - now));
    const interval = plan.periodMs / plan.limit;
    const allowed = aheadMs + interval <= plan.periodMs + 1e-3;
    this.fullAt.delete(name);
    this.fullAt.set(name, now + aheadMs + (allowed ? interval : 0));
    const [oldest] = this.fullAt.keys();
    if (this.fullAt.size > this.bucketsMax && oldest !== undefined) this.fullAt.delete(oldest);
    return verdictOf(plan, allowed, aheadMs);
  }
}
