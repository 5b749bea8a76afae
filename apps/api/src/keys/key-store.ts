import { Inject, Injectable } from '@nestjs/common';
import { Config, hashKey, KeyProjection, newKey, type Scope, inTransaction } from '@tributary/runtime';
import type { Redis } from 'ioredis';
import pg from 'pg';
import { KeyRing } from '../access/key-ring.js';
import { KEY_CREATORS, KEY_IN_FORCE, KEY_SCOPES, readKeys } from '../access/stored-keys.js';
import { newId } from '../ids.js';
import { ProjectionKeeper } from '../projections/projection-keeper.js';
import { bumpVersion } from '../projections/versions.js';
import { POOL, REDIS } from '../resources.js';

/** A creator that a key is limited to. Its handle is null once it is removed and forgotten. */
export interface KeyCreator {
  id: string;
  uniqueId: string | null;
}

/** A key as it is listed; the key itself is nowhere. Times are dates. */
export interface StoredKey {
  id: string;
  name: string;
  scopes: Scope[];
  /** Null: every creator. */
  creators: KeyCreator[] | null;
  expiresAt: Date | null;
  createdAt: Date;
  lastUsedAt: Date | null;
}

/** What a new key may do at most; absent parts limit nothing. */
export interface KeyLimits {
  /** Internal ids. */
  creators?: readonly string[];
  expiresAt?: Date;
}

/** What became of a revocation. `pending`: revoked, and Redis does not answer, so that signers are told later. */
export type Revocation = 'revoked' | 'pending' | 'unknown' | 'last-admin';

/** Everything reads all keys into memory, so their number is bounded. */
export const KEYS_MAX = 10_000;
/** How often the copy is compared with the table: with what a signer takes to notice, a revocation holds within 2 s. */
const CHECK_MS = 500;
const COPY_MS_MAX = 1_000;

const COLUMNS = `k.id, k.name, ${KEY_SCOPES} as scopes, k.created_at as "createdAt", k.last_used_at as "lastUsedAt", k.expires_at as "expiresAt",
  case when restriction is not null then (
    select coalesce(json_agg(json_build_object('id', r.id, 'uniqueId', c.unique_id) order by c.unique_id, r.id), '[]')
    from jsonb_array_elements_text(${KEY_CREATORS}) as r (id) left join creators c on c.id = r.id) end as creators`;

/** Writes a new key; returns it once, in clear. `full` when there are {@link KEYS_MAX}. */
export async function createKey(
  pool: pg.Pool,
  name: string,
  scopes: readonly Scope[],
  { creators, expiresAt }: KeyLimits = {},
): Promise<{ id: string; key: string } | 'full'> {
  const key = newKey();
  const id = newId('key_');
  const given = [...new Set(scopes)];
  const isLimited = creators !== undefined || expiresAt !== undefined;
  return inTransaction(pool, async (client) => {
    await bumpVersion(client, 'keys');
    const { rowCount } = await client.query(
      `insert into api_keys (id, hash, name, scopes, granted, restriction, expires_at)
       select $1, $2, $3, $4, $5, $6, $7 where (select count(*) from api_keys where ${KEY_IN_FORCE}) < $8`,
      [
        id,
        hashKey(key),
        name,
        isLimited ? [] : given,
        isLimited ? given : null,
        creators ? JSON.stringify({ creators: [...new Set(creators)] }) : null,
        expiresAt ?? null,
        KEYS_MAX,
      ],
    );
    return rowCount === 1 ? { id, key } : 'full';
  });
}

/** API keys: PostgreSQL is the truth, Redis has a copy for processes without it, every api process has its ring. */
@Injectable()
export class KeyStore {
  constructor(
    @Inject(POOL) private readonly pool: pg.Pool,
    private readonly ring: KeyRing,
    private readonly keeper: ProjectionKeeper,
    @Inject(REDIS) redis: Redis,
    config: Config,
  ) {
    const projection = new KeyProjection(redis, config.redisPrefix);
    keeper.add({
      name: 'keys',
      checkMs: CHECK_MS,
      copiedVersion: () => projection.version(),
      copy: async (client, version) => projection.write((await readKeys(client)).records, version),
    });
  }

  async create(name: string, scopes: readonly Scope[], limits: KeyLimits): Promise<{ id: string; key: string } | 'full'> {
    const created = await createKey(this.pool, name, scopes, limits);
    if (created === 'full') return created;
    this.keeper.changed('keys');
    await this.ring.reload();
    return created;
  }

  /** Keys in force, oldest first, after the id `after`. */
  async list(after: string | undefined, limit: number): Promise<StoredKey[]> {
    const { rows } = await this.pool.query<StoredKey>(
      `select ${COLUMNS} from api_keys k where ${KEY_IN_FORCE} and k.id > $1 order by k.id limit $2`,
      [after ?? '', limit],
    );
    return rows;
  }

  async find(id: string): Promise<StoredKey | undefined> {
    const { rows } = await this.pool.query<StoredKey>(`select ${COLUMNS} from api_keys k where ${KEY_IN_FORCE} and k.id = $1`, [id]);
    return rows[0];
  }

  /**
   * Ends a key: at once in this process, within 2 s in all that can read PostgreSQL or Redis. `last-admin` when nobody could
   * make keys any more.
   */
  async revoke(id: string): Promise<Revocation> {
    const outcome = await inTransaction(this.pool, async (client) => {
      await bumpVersion(client, 'keys');
      const { rows } = await client.query<{ id: string; scopes: Scope[]; expiresAt: Date | null }>(
        `select id, ${KEY_SCOPES} as scopes, expires_at as "expiresAt" from api_keys where ${KEY_IN_FORCE}`,
      );
      const key = rows.find((row) => row.id === id);
      if (!key) return 'unknown';
      // One that expires would soon leave nobody.
      const lasting = rows.filter(({ scopes, expiresAt }) => scopes.includes('admin') && expiresAt === null);
      if (lasting.length === 1 && lasting[0] === key) return 'last-admin';
      await client.query('update api_keys set revoked_at = now() where id = $1', [id]);
      return 'revoked';
    });
    if (outcome !== 'revoked') return outcome;
    await this.ring.reload();
    return (await this.keeper.copied('keys', COPY_MS_MAX)) ? 'revoked' : 'pending';
  }
}
