import { LuaScript, type OptionalRedis } from '@tributary/runtime';
import { randomUUID } from 'node:crypto';
import { type CacheKind, type Entry, readEntry, writeEntry } from './kinds.js';

/** Larger records stay in the process that made them. */
const RECORD_LENGTH_MAX = 1_048_576;

const putScript = new LuaScript(new URL('./put.lua', import.meta.url));
const unlockScript = new LuaScript(new URL('./unlock.lua', import.meta.url));

/** Entries in Redis, which all signers share. While Redis is away every method behaves as if nothing were there. */
export class SharedLevel {
  constructor(
    private readonly redis: OptionalRedis,
    private readonly prefix: string,
  ) {}

  async get<T>(kind: CacheKind<T>, key: string): Promise<Entry<T> | undefined> {
    const record = await this.redis.ask((redis) => redis.hget(this.keys(kind)[0], key));
    return record === undefined || record === null ? undefined : readEntry(kind, record);
  }

  async put<T>(kind: CacheKind<T>, key: string, entry: Entry<T>, now: number): Promise<void> {
    const record = writeEntry(kind, entry);
    if (record.length > RECORD_LENGTH_MAX) return;
    await this.redis.ask((redis) => putScript.run(redis, this.keys(kind), [key, record, now, entry.keepUntil, kind.entriesMax]));
  }

  async delete<T>(kind: CacheKind<T>, key: string): Promise<void> {
    await this.redis.ask((redis) => redis.hdel(this.keys(kind)[0], key));
  }

  /**
   * Locks a value for loading: returns the function that unlocks it, or undefined while another signer has the lock. Without Redis
   * each signer loads for itself.
   */
  async lock<T>(kind: CacheKind<T>, key: string, ttlMs: number): Promise<(() => Promise<void>) | undefined> {
    const name = `${this.prefix}:sign:lock:${kind.name}:${key}`;
    const token = randomUUID();
    const taken = await this.redis.ask((redis) => redis.set(name, token, 'PX', ttlMs, 'NX'));
    if (taken === null) return undefined;
    return async () => void (taken && (await this.redis.ask((redis) => unlockScript.run(redis, [name], [token]))));
  }

  private keys(kind: { name: string }): [string, string] {
    const base = `${this.prefix}:{sign-${kind.name}}`;
    return [`${base}:values`, `${base}:expiry`];
  }
}
