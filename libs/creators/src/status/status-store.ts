import type { Redis } from 'ioredis';
import type { CreatorStatus } from '../types.js';

/** Hash `<prefix>:status`: creator id -> status that its holder last wrote. A projection: empty after a wipe until holders write again. */
export class StatusStore {
  private readonly redis: Redis;
  private readonly hash: string;

  constructor({ redis, prefix }: { redis: Redis; prefix: string }) {
    this.redis = redis;
    this.hash = `${prefix}:status`;
  }

  /** Writes what changed, in one round trip. */
  async publish(statuses: ReadonlyMap<string, CreatorStatus>): Promise<void> {
    if (statuses.size === 0) return;
    await this.redis.hset(this.hash, ...[...statuses].flatMap(([id, status]) => [id, JSON.stringify(status)]));
  }

  /** Statuses in the order of `ids`; undefined for a creator without one. */
  async readMany(ids: readonly string[]): Promise<(CreatorStatus | undefined)[]> {
    if (ids.length === 0) return [];
    const texts = await this.redis.hmget(this.hash, ...ids);
    return texts.map((text) => (text === null ? undefined : (JSON.parse(text) as CreatorStatus)));
  }

  /** Forgets creators that are no longer monitored. */
  async remove(ids: readonly string[]): Promise<void> {
    if (ids.length > 0) await this.redis.hdel(this.hash, ...ids);
  }
}
