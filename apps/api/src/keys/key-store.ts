import { Inject, Injectable } from '@nestjs/common';
import { Config, hashKey, KeyProjection, newKey, type Scope } from '@tributary/runtime';
import type { Redis } from 'ioredis';
import pg from 'pg';
import { KeyRing, readKeys } from '../access/key-ring.js';
import { newId } from '../ids.js';
import { ProjectionKeeper } from '../projections/projection-keeper.js';
import { bumpVersion, inTransaction } from '../projections/versions.js';
import { POOL, REDIS } from '../resources.js';

/** A key as it is listed; the key itself is nowhere. Times are dates. */
export interface StoredKey {
  id: string;
  name: string;
  scopes: Scope[];
  createdAt: Date;
  lastUsedAt: Date | null;
}

/** Everything reads all keys into memory, so their number is bounded. */
export const KEYS_MAX = 10_000;

/** Writes a new key; returns it once, in clear. `full` when there are {@link KEYS_MAX}. */
export async function createKey(
  pool: pg.Pool,
  name: string,
  scopes: Scope[],
): Promise<{ id: string; key: string; createdAt: Date } | 'full'> {
  const key = newKey();
  const id = newId('key_');
  return inTransaction(pool, async (client) => {
    await bumpVersion(client, 'keys');
    const { rows } = await client.query<{ createdAt: Date }>(
      `insert into api_keys (id, hash, name, scopes)
       select $1, $2, $3, $4 where (select count(*) from api_keys where revoked_at is null) < $5
       returning created_at as "createdAt"`,
      [id, hashKey(key), name, [...new Set(scopes)], KEYS_MAX],
    );
    return rows[0] ? { id, key, createdAt: rows[0].createdAt } : 'full';
  });
}

/** API keys: PostgreSQL is the truth, Redis has a copy for processes without it, every api process has its ring. */
@Injectable()
export class KeyStore {
  constructor(
    @Inject(POOL) private readonly pool: pg.Pool,
    @Inject(KeyRing) private readonly ring: KeyRing,
    @Inject(ProjectionKeeper) private readonly keeper: ProjectionKeeper,
    @Inject(REDIS) redis: Redis,
    @Inject(Config) config: Config,
  ) {
    const projection = new KeyProjection(redis, config.redisPrefix);
    keeper.add({
      name: 'keys',
      copiedVersion: () => projection.version(),
      copy: async (client, version) => projection.write(await readKeys(client), version),
    });
  }

  async create(name: string, scopes: Scope[]): Promise<{ id: string; key: string; createdAt: Date } | 'full'> {
    const created = await createKey(this.pool, name, scopes);
    if (created !== 'full') await this.spread();
    return created;
  }

  /** Keys in force, oldest first, after the id `after`. */
  async list(after: string | undefined, limit: number): Promise<StoredKey[]> {
    const { rows } = await this.pool.query<StoredKey>(
      `select id, name, scopes, created_at as "createdAt", last_used_at as "lastUsedAt" from api_keys
       where revoked_at is null and id > $1 order by id limit $2`,
      [after ?? '', limit],
    );
    return rows;
  }

  /**
   * Ends a key: at once in this process, within seconds elsewhere. `last-admin` when nobody could make keys any more.
   */
  async revoke(id: string): Promise<'revoked' | 'unknown' | 'last-admin'> {
    const outcome = await inTransaction(this.pool, async (client) => {
      await bumpVersion(client, 'keys');
      const { rows } = await client.query<{ id: string; scopes: Scope[] }>('select id, scopes from api_keys where revoked_at is null');
      const key = rows.find((row) => row.id === id);
      if (!key) return 'unknown';
      const admins = rows.filter(({ scopes }) => scopes.includes('admin'));
      if (admins.length === 1 && admins[0] === key) return 'last-admin';
      await client.query('update api_keys set revoked_at = now() where id = $1', [id]);
      return 'revoked';
    });
    if (outcome === 'revoked') await this.spread();
    return outcome;
  }

  private async spread(): Promise<void> {
    this.keeper.changed('keys');
    await this.ring.reload();
  }
}
