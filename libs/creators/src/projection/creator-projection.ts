import { randomUUID } from 'node:crypto';
import { LuaScript } from '@tributary/runtime/lua-script';
import type { Redis } from 'ioredis';
import type { CreatorRecord, LastSeen } from '../types.js';

const FIELDS_PER_COMMAND = 500;
/** How long the store's knowledge from the last wipe is used: later, holders have written handover states again. */
const SEEN_S = 86_400;

const beginScript = new LuaScript(new URL('./begin-copy.lua', import.meta.url));
const endScript = new LuaScript(new URL('./end-copy.lua', import.meta.url));

/**
 * Projection of the creators in Redis, for workers that have no PostgreSQL. The version is removed first and written
 * last, so that a half-written projection is never read; a missing version means unknown, never "no creators".
 */
export class CreatorProjection {
  private readonly redis: Redis;
  private readonly hash: string;
  private readonly versionKey: string;
  private readonly seenKey: string;
  /** Marks the write under way, in the slot of the version. A wipe removes it. */
  private readonly writingKey: string;

  constructor({ redis, prefix }: { redis: Redis; prefix: string }) {
    this.redis = redis;
    this.hash = `${prefix}:creators`;
    this.versionKey = `${prefix}:creators:version`;
    this.seenKey = `${prefix}:creators:seen`;
    this.writingKey = `${prefix}:{${this.versionKey}}:writing`;
  }

  /** The version in force; null when the projection is not there (wiped, or being written). */
  version(): Promise<string | null> {
    return this.redis.get(this.versionKey);
  }

  /**
   * Replaces the whole projection. `version` differs at every write. One writer at a time. `seen`: creators that the store
   * knows as live, by id; needed where there is no projection, because leases and what stood beside them may be gone too.
   * @returns false when Redis was wiped, before or meanwhile: no version is in force, and it is to be written with `seen`
   */
  async write(creators: readonly CreatorRecord[], version: string, seen?: ReadonlyMap<string, LastSeen>): Promise<boolean> {
    const keys = [this.versionKey, this.writingKey];
    const write = randomUUID();
    if ((await beginScript.run(this.redis, keys, [write, seen ? '1' : ''])) !== 1) return false;
    const batch = this.redis.pipeline().del(this.hash);
    if (seen) batch.del(this.seenKey);
    const known = [...(seen ?? [])];
    for (let at = 0; at < known.length; at += FIELDS_PER_COMMAND) {
      const fields = known.slice(at, at + FIELDS_PER_COMMAND).flatMap(([id, last]) => [id, JSON.stringify(last)]);
      batch.hset(this.seenKey, ...fields);
    }
    if (known.length > 0) batch.expire(this.seenKey, SEEN_S);
    for (let at = 0; at < creators.length; at += FIELDS_PER_COMMAND) {
      const fields = creators.slice(at, at + FIELDS_PER_COMMAND).flatMap((creator) => [creator.id, JSON.stringify(creator)]);
      batch.hset(this.hash, ...fields);
    }
    // A pipeline continues after a failed command, so the version is written only when all commands have succeeded.
    const failed = (await batch.exec())?.find(([error]) => error)?.[0];
    if (failed) throw failed;
    return (await endScript.run(this.redis, keys, [write, version])) === 1;
  }

  /** Of these creators, those that the store knew as live when Redis was last wiped. */
  async lastSeen(ids: readonly string[]): Promise<Map<string, LastSeen>> {
    if (ids.length === 0) return new Map();
    const texts = await this.redis.hmget(this.seenKey, ...ids);
    return new Map(ids.flatMap((id, at) => (texts[at] ? [[id, JSON.parse(texts[at]) as LastSeen] as const] : [])));
  }

  /** Forgets what the store knew of creators that are no longer monitored. */
  async removeSeen(ids: readonly string[]): Promise<void> {
    if (ids.length > 0) await this.redis.hdel(this.seenKey, ...ids);
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
