import { LuaScript } from '../lua-script.js';
import { GroupedTakes } from './grouped-takes.js';
import { type BucketPlan, type BucketVerdict, LocalBuckets, verdictOf } from './local-buckets.js';
import type { Peers } from './peers.js';
import type { OptionalRedis } from '../redis/optional-redis.js';

const LOCAL_MAX = 10_000;
const script = new LuaScript(new URL('./token-bucket.lua', import.meta.url));

/**
 * Token buckets that all processes share, in Redis; those of one that are asked for together cost one command. A bucket that is
 * empty is not asked for again before it has a token. While Redis is away each process has a bucket of its own, which holds its
 * share of the limit.
 */
export class SharedBuckets {
  private readonly takes = new GroupedTakes<BucketPlan, BucketVerdict>((name, plan, count) => this.run(name, plan, count));
  private readonly local: LocalBuckets;
  /** When an empty bucket has a token again, and its last verdict. */
  private readonly empty = new Map<string, { until: number; verdict: BucketVerdict }>();

  constructor(
    private readonly optionalRedis: OptionalRedis,
    private readonly peers: Peers,
    private readonly prefix: string,
    private readonly now: () => number = Date.now,
  ) {
    this.local = new LocalBuckets(LOCAL_MAX, now);
  }

  /** Takes one token of the bucket `name`. */
  take(name: string, plan: BucketPlan): Promise<BucketVerdict> {
    const empty = this.empty.get(name);
    const leftMs = empty ? empty.until - this.now() : 0;
    if (empty && leftMs > 0 && empty.verdict.limit === plan.limit) return Promise.resolve({ ...empty.verdict, retryMs: Math.ceil(leftMs) });
    return this.takes.take(name, plan);
  }

  /** A verdict for each of `count` requests. */
  private async run(name: string, plan: BucketPlan, count: number): Promise<BucketVerdict[]> {
    const answer = await this.optionalRedis.ask((redis) =>
      script.run(redis, [`${this.prefix}:{bucket-${name}}`], [plan.periodMs, plan.limit, count]),
    );
    const requests = Array.from({ length: count }, (_, index) => index);
    if (answer === undefined) {
      const share = { ...plan, limit: this.peers.share(plan.limit) };
      return requests.map(() => ({ ...this.local.take(name, share), limit: plan.limit }));
    }
    const [granted = 0, aheadUs = 0] = answer as number[];
    const interval = plan.periodMs / plan.limit;
    const verdicts = requests.map((index) => verdictOf(plan, index < granted, aheadUs / 1_000 + Math.min(index, granted) * interval));
    const last = verdicts.at(-1)!;
    if (!last.allowed) this.remember(name, last);
    return verdicts;
  }

  private remember(name: string, verdict: BucketVerdict): void {
    if (this.empty.size >= LOCAL_MAX) this.empty.clear();
    this.empty.set(name, { until: this.now() + verdict.retryMs, verdict });
  }
}
