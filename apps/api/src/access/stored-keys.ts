import { type KeyRecord, readRestriction, type Scope } from '@tributary/runtime';
import type pg from 'pg';

/** The scopes of a key, whichever column holds them. */
export const KEY_SCOPES = 'coalesce(granted, scopes)';

/** A key that was not revoked and whose time has not ended. */
export const KEY_IN_FORCE = '(revoked_at is null and (expires_at is null or expires_at > now()))';

/** The creators that a key is limited to, as a JSON array whatever stands there. */
export const KEY_CREATORS = `case jsonb_typeof(restriction->'creators') when 'array' then restriction->'creators' else '[]' end`;

interface KeyRow {
  hash: string;
  id: string;
  name: string;
  scopes: Scope[];
  restriction: unknown;
  handles: string[];
  expiresAt: number | null;
}

/** Every key in force by its hash. `malformed`: ids of keys whose restriction cannot be read; they are left out. */
export async function readKeys(client: pg.Pool | pg.PoolClient): Promise<{ records: Map<string, KeyRecord>; malformed: string[] }> {
  const { rows } = await client.query<KeyRow>(
    `select hash, id, name, ${KEY_SCOPES} as scopes, restriction, (extract(epoch from expires_at) * 1000)::float8 as "expiresAt",
       array(select c.unique_id from jsonb_array_elements_text(${KEY_CREATORS}) as r (id)
         join creators c on c.id = r.id and c.deleted_at is null order by 1) as handles
     from api_keys where ${KEY_IN_FORCE}`,
  );
  const records = new Map<string, KeyRecord>();
  const malformed: string[] = [];
  for (const { hash, restriction, handles, expiresAt, ...key } of rows) {
    const limit = restriction === null ? undefined : readRestriction(restriction);
    if (limit === 'malformed') malformed.push(key.id);
    else records.set(hash, { ...key, ...(limit ? { restriction: limit, handles } : {}), ...(expiresAt === null ? {} : { expiresAt }) });
  }
  return { records, malformed };
}
