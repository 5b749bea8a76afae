import { type Logger, LuaScript } from '@tributary/runtime';
import type { Redis } from 'ioredis';
import { randomUUID } from 'node:crypto';
import { type CacheKind, type Entry, readEntry, writeEntry } from './kinds.js';

/** Larger records stay in the process that made them. */
const RECORD_LENGTH_MAX = 1_048_576;

const putScript = new LuaScript(new URL('./put.lua', import.meta.url));
const unlockScript = new LuaScript(new URL('./unlock.lua', import.meta.url));

/** Entries in Redis, which all signers share. While Redis is away every method behaves as if nothing were there. */
export class SharedLevel {
  private away = false;

  constructor(
    private readonly redis: Redis,
    private readonly prefix: string,
    private readonly logger: Logger,
  ) {}

  async get<T>(kind: CacheKind<T>, key: string): Promise<Entry<T> | undefined> {
    const record = await this.attempt(() => this.redis.hget(this.keys(kind)[0], key));
    return record === undefined || record === null ? undefined : readEntry(kind, record);
  }

  async put<T>(kind: CacheKind<T>, key: string, entry: Entry<T>, now: number): Promise<void> {
    const record = writeEntry(kind, entry);
    if (record.length > RECORD_LENGTH_MAX) return;
    await this.attempt(() => putScript.run(this.redis, this.keys(kind), [key, record, now, entry.keepUntil, kind.entriesMax]));
  }

  async delete<T>(kind: CacheKind<T>, key: string): Promise<void> {
    await this.attempt(() => this.redis.hdel(this.keys(kind)[0], key));
  }

  /**
   * Takes the right to load a value for all signers: the function that gives it back, or undefined while another has it.
   * Without Redis each signer loads for itself.
   */
  async lock<T>(kind: CacheKind<T>, key: string, ttlMs: number): Promise<(() => Promise<void>) | undefined> {
    const name = `${this.prefix}:sign:lock:${kind.name}:${key}`;
    const token = randomUUID();
    const taken = await this.attempt(() => this.redis.set(name, token, 'PX', ttlMs, 'NX'));
    if (taken === null) return undefined;
    return async () => void (taken && (await this.attempt(() => unlockScript.run(this.redis, [name], [token]))));
  }

  private keys(kind: { name: string }): [string, string] {
    const base = `${this.prefix}:{sign-${kind.name}}`;
    return [`${base}:values`, `${base}:expiry`];
  }

  /** Undefined when Redis cannot be asked, which is said once. */
  private async attempt<R>(command: () => Promise<R>): Promise<R | undefined> {
    try {
      const result = await command();
      this.away = false;
      return result;
    } catch (error) {
      if (!this.away) this.logger.warn({ reason: (error as Error).message }, 'the shared cache cannot be reached; each signer caches for itself');
      this.away = true;
      return undefined;
    }
  }
}
