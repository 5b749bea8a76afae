import type { Redis } from 'ioredis';
import type { CreatorRecord } from './types.js';

const FIELDS_PER_COMMAND = 500;

/**
 * Projection of the creators in Redis, for workers that have no PostgreSQL. The version is removed first and written
 * last, so that a half-written projection is never read; a missing version means unknown, never "no creators".
 */
export class CreatorProjection {
  private readonly redis: Redis;
  private readonly hash: string;
  private readonly versionKey: string;

  constructor({ redis, prefix }: { redis: Redis; prefix: string }) {
    this.redis = redis;
    this.hash = `${prefix}:creators`;
    this.versionKey = `${prefix}:creators:version`;
  }

  /** The version in force; null when the projection is not there (wiped, or being written). */
  version(): Promise<string | null> {
    return this.redis.get(this.versionKey);
  }

  /** Replaces the whole projection. `version` differs at every write. One writer at a time. */
  async write(creators: readonly CreatorRecord[], version: string): Promise<void> {
    const batch = this.redis.pipeline().del(this.versionKey).del(this.hash);
    for (let at = 0; at < creators.length; at += FIELDS_PER_COMMAND) {
      const fields = creators.slice(at, at + FIELDS_PER_COMMAND).flatMap((creator) => [creator.id, JSON.stringify(creator)]);
      batch.hset(this.hash, ...fields);
    }
    // A pipeline goes on after a command that failed: the version is written once all of them are known to have worked.
    const failed = (await batch.exec())?.find(([error]) => error)?.[0];
    if (failed) throw failed;
    await this.redis.set(this.versionKey, version);
  }

  /** Every creator with the version they belong to; undefined when there is none or it changed while it was read. */
  async read(): Promise<{ version: string; creators: CreatorRecord[] } | undefined> {
    const before = await this.version();
    if (before === null) return undefined;
    const fields = await this.redis.hgetall(this.hash);
    if ((await this.version()) !== before) return undefined;
    return { version: before, creators: Object.values(fields).map((text) => JSON.parse(text) as CreatorRecord) };
  }
}
