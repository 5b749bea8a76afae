import { createHash, randomBytes } from 'node:crypto';
import type { Redis } from 'ioredis';

/** What a key may do. `admin` includes every other scope. */
export const SCOPES = ['read', 'creators:write', 'webhooks:write', 'sign', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

/** A key as the system knows it; the key itself is shown once and never stored. */
export interface KeyRecord {
  id: string;
  name: string;
  scopes: Scope[];
}

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** Makes an API key: `trib_` and 32 base62 characters (190 bits of randomness). */
export function newKey(): string {
  let text = '';
  while (text.length < 32) {
    for (const byte of randomBytes(48)) {
      // 248 = 4 * 62: a higher byte would favour the first letters.
      if (byte < 248 && text.length < 32) text += ALPHABET[byte % 62];
    }
  }
  return `trib_${text}`;
}

/** The form in which a key is stored and looked up: sha256, hex. Keys are random, so that no salt is needed. */
export function hashKey(key: string): string {
  return createHash('sha256').update(key).digest('hex');
}

/** Whether a key with these scopes may do what `needed` allows. */
export function allows(record: KeyRecord, needed: Scope): boolean {
  return record.scopes.includes('admin') || record.scopes.includes(needed);
}

/** Projection of the keys in Redis, for processes that have no PostgreSQL. A missing version means unknown, never "no keys". */
export class KeyProjection {
  private readonly hash: string;
  private readonly versionKey: string;

  constructor(
    private readonly redis: Redis,
    prefix: string,
  ) {
    this.hash = `${prefix}:keys`;
    this.versionKey = `${prefix}:keys:version`;
  }

  version(): Promise<string | null> {
    return this.redis.get(this.versionKey);
  }

  /** Replaces the whole projection; the version is written last. */
  async write(records: ReadonlyMap<string, KeyRecord>, version: string): Promise<void> {
    const batch = this.redis.pipeline().del(this.versionKey).del(this.hash);
    for (const [hash, record] of records) batch.hset(this.hash, hash, JSON.stringify(record));
    // A pipeline goes on after a command that failed: the version is written once all of them are known to have worked.
    const failed = (await batch.exec())?.find(([error]) => error)?.[0];
    if (failed) throw failed;
    await this.redis.set(this.versionKey, version);
  }

  /** The record of a key; undefined when there is none; `unknown` when the projection is not there. */
  lookup(key: string): Promise<KeyRecord | undefined | 'unknown'> {
    return this.lookupHash(hashKey(key));
  }

  /** The same by the key's sha256, in hex. */
  async lookupHash(hash: string): Promise<KeyRecord | undefined | 'unknown'> {
    const text = await this.redis.hget(this.hash, hash);
    if (text) return JSON.parse(text) as KeyRecord;
    return (await this.version()) === null ? 'unknown' : undefined;
  }
}
