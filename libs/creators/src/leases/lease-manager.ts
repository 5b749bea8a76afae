import type { Redis } from 'ioredis';
import { LuaScript } from '@tributary/runtime/lua-script';
import { reasonOf } from '@tributary/runtime/reason';
import type { LastSeen } from '../types.js';

/** Where the leases of a partition live. The log's keys have this shape. */
export interface LeaseKeys {
  readonly partitions: number;
  partitionOf(creatorId: string): number;
  leases(partition: number): string;
  handoverState(partition: number): string;
  last(partition: number): string;
}

/** The right to append a creator's events under `fence`, and the state that its previous holder left. */
export interface Lease {
  creatorId: string;
  /** Decimal microseconds; higher for every new holder. */
  fence: string;
  /** `new`: never held. `released`: given back. `expired`: its holder stopped renewing. `own`: this worker's, the answer was lost. */
  from: 'new' | 'released' | 'expired' | 'own';
  /** What the previous holder wrote for the next one. */
  handoverState?: string;
  /** ms since 1970 when the last event that reached the inbox had arrived. */
  lastAt?: number;
  /** What the store knew, where Redis has lost both (a wipe). */
  seen?: LastSeen;
}

export interface LeaseManagerOptions {
  redis: Redis;
  keys: LeaseKeys;
  /** Unique per process start: a lease under this name is this process' own. No spaces. */
  worker: string;
  ttlMs: number;
  /** Interval of renewals; a tenth of the lease time by default, so that leases are restored about a second after a wipe. */
  renewEveryMs?: number;
  logger: { info(fields: object, message: string): void; warn(fields: object, message: string): void };
  /** Another worker holds this creator now: stop at once, append nothing more under its fence. */
  onLost(lease: Lease): void;
  /** What the store knows of creators that Redis knows nothing of. A lease for which this fails is given back. */
  lastSeen?(creatorIds: readonly string[]): Promise<ReadonlyMap<string, LastSeen>>;
  /** The lease was lost (wipe) and is restored under its own fence; the handover state beside it is not. */
  onRestored?(lease: Lease): void;
}

export interface LeaseStats {
  held: number;
  claimed: number;
  /** Of these, from a worker that stopped renewing. */
  takenOver: number;
  lost: number;
  restored: number;
  failures: number;
  silentPartitions: number;
}

/** Longest reconnect delay of a Redis client (see createRedis): within this and one renewal every living holder has renewed again. */
const RECONNECT_MS_MAX = 2_000;
const LOST = 0;
const RESTORED = 2;

const claimScript = new LuaScript(new URL('./claim.lua', import.meta.url));
const renewScript = new LuaScript(new URL('./renew.lua', import.meta.url));
const releaseScript = new LuaScript(new URL('./release.lua', import.meta.url));

/** One partition's leases and how long its renewals have worked, by this process' monotonic clock (ms). */
interface Shard {
  partition: number;
  held: Map<string, Lease>;
  /** Asked for by a claim under way: a second one would take the first one's lease under a newer fence. */
  claiming: Set<string>;
  /** Given back, but Redis has not confirmed it: creator -> fence. */
  unreleased: Map<string, string>;
  /** A renewal was answered, and no command has failed since. */
  isAnswering: boolean;
  lastOk: number;
  /** After an outage other workers get this long to renew what they still hold. */
  settledAt: number;
  failing: boolean;
}

/**
 * Holds the leases of one worker: claims free creators, renews what it holds (one timer, one command per partition) and
 * releases. A Redis outage ends no lease here: a creator stays held until Redis names a newer holder.
 */
export class LeaseManager {
  private readonly shards: Shard[];
  private readonly renewEveryMs: number;
  private readonly settleMs: number;
  private timer: NodeJS.Timeout | undefined;
  private renewing: Promise<void> | undefined;
  private readonly totals = { claimed: 0, takenOver: 0, lost: 0, restored: 0, failures: 0 };

  constructor(private readonly options: LeaseManagerOptions) {
    if (!/^[^\s-]\S*$/.test(options.worker)) throw new Error(`worker: expected a name without spaces, got "${options.worker}"`);
    this.renewEveryMs = options.renewEveryMs ?? Math.max(50, Math.floor(options.ttlMs / 10));
    this.settleMs = Math.min(options.ttlMs, this.renewEveryMs + RECONNECT_MS_MAX);
    this.shards = Array.from({ length: options.keys.partitions }, (_, partition) => ({
      partition,
      held: new Map(),
      claiming: new Set(),
      unreleased: new Map(),
      isAnswering: false,
      lastOk: 0,
      settledAt: 0,
      failing: false,
    }));
  }

  /** Starts renewing, at once where Redis is there: the first renewal also shows that a partition answers. */
  start(): void {
    if (this.timer) return;
    this.timer = setInterval(() => void this.renewAll(), this.renewEveryMs);
    this.options.redis.on('ready', this.onReady);
    if (this.options.redis.status === 'ready') void this.renewAll();
  }

  /** Stops renewing. What is held is not given back: see {@link release}. */
  async stop(): Promise<void> {
    clearInterval(this.timer);
    this.timer = undefined;
    this.options.redis.off('ready', this.onReady);
    await this.renewing;
  }

  get size(): number {
    return this.shards.reduce((sum, { held }) => sum + held.size, 0);
  }

  get(creatorId: string): Lease | undefined {
    return this.shardOf(creatorId).held.get(creatorId);
  }

  *held(): IterableIterator<Lease> {
    for (const { held } of this.shards) yield* held.values();
  }

  /** Totals since the start; `silentPartitions` have not answered the last renewal, or none yet. */
  stats(): LeaseStats {
    return { held: this.size, ...this.totals, silentPartitions: this.shards.filter((shard) => !shard.isAnswering).length };
  }

  /**
   * Takes up to `max` of these creators. Free ones are taken at once. Another worker's expired lease is taken only after
   * renewals have succeeded for a full lease time, so that no worker claims what others still hold when Redis comes back.
   * A partition that does not answer is skipped; the next call tries again.
   */
  async claim(creatorIds: Iterable<string>, max: number): Promise<Lease[]> {
    const wanted = new Map<Shard, string[]>();
    for (const id of creatorIds) {
      const shard = this.shardOf(id);
      if (shard.held.has(id) || shard.claiming.has(id)) continue;
      const ids = wanted.get(shard);
      if (ids) ids.push(id);
      else wanted.set(shard, [id]);
    }
    const taken: Lease[] = [];
    for (const [shard, ids] of wanted) {
      if (taken.length >= max) break;
      if (!this.isOpen(shard)) continue;
      const asked = ids.filter((id) => !shard.claiming.has(id) && !shard.held.has(id));
      for (const id of asked) shard.claiming.add(id);
      try {
        taken.push(...(await this.remembered(await this.claimIn(shard, asked, max - taken.length))));
      } catch (error) {
        this.failed(shard, error);
      } finally {
        for (const id of asked) shard.claiming.delete(id);
      }
    }
    return taken;
  }

  /** Whether {@link claim} asks for this creator now: its partition answers, and is settled after an outage. */
  mayClaim(creatorId: string): boolean {
    return this.isOpen(this.shardOf(creatorId));
  }

  /**
   * Releases these leases, so that any worker may claim them at once. They are no longer held when this returns, even if
   * Redis did not answer: the release is then sent again with the next renewal.
   */
  async release(creatorIds: Iterable<string>): Promise<void> {
    const concerned = new Set<Shard>();
    for (const id of creatorIds) {
      const shard = this.shardOf(id);
      const lease = shard.held.get(id);
      if (!lease) continue;
      shard.held.delete(id);
      shard.unreleased.set(id, lease.fence);
      concerned.add(shard);
    }
    await Promise.all(
      [...concerned].map(async (shard) => {
        try {
          await this.flushReleases(shard);
        } catch (error) {
          this.failed(shard, error);
        }
      }),
    );
  }

  /** Forgets a lease that was transferred to another worker: it is neither renewed nor lost. A lease claimed again since is kept. */
  transferred(creatorId: string, fence: string): void {
    const { held } = this.shardOf(creatorId);
    if (held.get(creatorId)?.fence === fence) held.delete(creatorId);
  }

  /** Renews everything now, one command per partition. A running renewal is awaited instead of doubled. */
  renewAll(): Promise<void> {
    this.renewing ??= Promise.all(this.shards.map((shard) => this.renew(shard)))
      .then(() => undefined)
      .finally(() => (this.renewing = undefined));
    return this.renewing;
  }

  private readonly onReady = (): void => void this.renewAll();

  private isOpen({ isAnswering, settledAt }: Shard): boolean {
    return isAnswering && performance.now() >= settledAt;
  }

  private shardOf(creatorId: string): Shard {
    const shard = this.shards[this.options.keys.partitionOf(creatorId)];
    if (!shard) throw new Error(`no partition for creator ${creatorId}`);
    return shard;
  }

  /** Beside the leases, in their slot: when the first lease command after a wipe came. */
  private sinceKey(partition: number): string {
    return `${this.options.keys.leases(partition)}:since`;
  }

  /** Beside the leases too: for how long renewals of all workers have worked. */
  private beatKey(partition: number): string {
    return `${this.options.keys.leases(partition)}:beat`;
  }

  private async claimIn(shard: Shard, ids: string[], max: number): Promise<Lease[]> {
    const { redis, keys, worker, ttlMs } = this.options;
    const { partition } = shard;
    const answer = (await claimScript.run(
      redis,
      [keys.leases(partition), keys.handoverState(partition), keys.last(partition), this.sinceKey(partition), this.beatKey(partition)],
      [worker, ttlMs, this.settleMs, max, ...ids],
    )) as (string | null)[];
    const taken: Lease[] = [];
    for (let at = 0; at < answer.length; at += 5) {
      const [creatorId, fence, from, handoverState, lastAt] = answer.slice(at, at + 5);
      const lease: Lease = {
        creatorId: String(creatorId),
        fence: String(fence),
        from: from as Lease['from'],
        ...(handoverState ? { handoverState } : {}),
        ...(lastAt ? { lastAt: Number(lastAt) } : {}),
      };
      shard.held.set(lease.creatorId, lease);
      taken.push(lease);
      this.totals.claimed += 1;
      if (from === 'expired') this.totals.takenOver += 1;
    }
    return taken;
  }

  /** Adds what the store knows about creators that Redis has lost. Without it nothing would report the gap since their last event. */
  private async remembered(leases: Lease[]): Promise<Lease[]> {
    const unknown = leases
      .filter(({ handoverState, lastAt }) => handoverState === undefined && lastAt === undefined)
      .map(({ creatorId }) => creatorId);
    if (unknown.length === 0 || !this.options.lastSeen) return leases;
    try {
      const seen = await this.options.lastSeen(unknown);
      for (const lease of leases) {
        const known = seen.get(lease.creatorId);
        if (known && lease.handoverState === undefined && lease.lastAt === undefined) lease.seen = known;
      }
      return leases;
    } catch (error) {
      await this.release(unknown);
      this.options.logger.warn(
        { creators: unknown.length, reason: reasonOf(error) },
        'the last events of these creators cannot be read from the store; their leases are released',
      );
      return leases.filter(({ creatorId }) => !unknown.includes(creatorId));
    }
  }

  private async flushReleases(shard: Shard): Promise<void> {
    const pairs = [...shard.unreleased];
    if (pairs.length === 0) return;
    await releaseScript.run(this.options.redis, [this.options.keys.leases(shard.partition)], pairs.flat());
    for (const [id, fence] of pairs) if (shard.unreleased.get(id) === fence) shard.unreleased.delete(id);
  }

  private async renew(shard: Shard): Promise<void> {
    const { redis, keys, worker, ttlMs, logger } = this.options;
    const leases = [...shard.held.values()];
    let answers: number[];
    try {
      const args = [worker, ttlMs, ...leases.flatMap(({ creatorId, fence }) => [creatorId, fence])];
      answers = (await renewScript.run(
        redis,
        [keys.leases(shard.partition), this.sinceKey(shard.partition), this.beatKey(shard.partition)],
        args,
      )) as number[];
      await this.flushReleases(shard);
    } catch (error) {
      this.failed(shard, error);
      return;
    }
    this.succeeded(shard);
    let lost = 0;
    let restored = 0;
    for (const [at, lease] of leases.entries()) {
      // Released, or released and claimed again, while the command was under way.
      if (shard.held.get(lease.creatorId) !== lease) continue;
      if (answers[at] === LOST) {
        shard.held.delete(lease.creatorId);
        lost += 1;
        this.options.onLost(lease);
      } else if (answers[at] === RESTORED) {
        restored += 1;
        this.options.onRestored?.(lease);
      }
    }
    this.totals.lost += lost;
    this.totals.restored += restored;
    if (lost > 0) logger.warn({ partition: shard.partition, lost }, 'leases lost: another worker holds these creators');
    if (restored > 0) logger.warn({ partition: shard.partition, restored }, 'leases were gone from Redis and are restored');
  }

  private succeeded(shard: Shard): void {
    const now = performance.now();
    // A late renewal (a stopped process, a server that hung) proves nothing about the time before it.
    if (shard.lastOk > 0 && (!shard.isAnswering || now - shard.lastOk > this.options.ttlMs / 2)) shard.settledAt = now + this.settleMs;
    shard.isAnswering = true;
    shard.lastOk = now;
    if (shard.failing) this.options.logger.info({ partition: shard.partition }, 'leases are renewed again');
    shard.failing = false;
  }

  private failed(shard: Shard, error: unknown): void {
    this.totals.failures += 1;
    shard.isAnswering = false;
    if (shard.failing) return;
    shard.failing = true;
    const reason = reasonOf(error);
    this.options.logger.warn({ partition: shard.partition, reason, held: shard.held.size }, 'leases cannot be renewed; creators stay held');
  }
}
