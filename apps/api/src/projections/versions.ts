import { randomBytes } from 'node:crypto';
import type pg from 'pg';

/** What PostgreSQL holds and Redis has a copy of. */
export type ProjectionName = 'creators' | 'keys';

/**
 * Marks a projection as changed. Call it FIRST in the transaction that changes the table: its row lock makes writers of
 * one table take turns, so that versions are in commit order.
 */
export async function bumpVersion(client: pg.PoolClient, name: ProjectionName): Promise<void> {
  await client.query(
    `insert into projection_versions (name, version, stamp) values ($1, 1, $2)
     on conflict (name) do update set version = projection_versions.version + 1, stamp = excluded.stamp`,
    [name, stampOf(name)],
  );
}

/**
 * The same for keys, where any is limited to creators: their copy holds handles of creators. Called after
 * `bumpVersion(client, 'creators')`, so that all who change both lock them in this order.
 */
export async function bumpLimitedKeys(client: pg.PoolClient): Promise<void> {
  await client.query(
    `update projection_versions set version = version + 1, stamp = $1
     where name = 'keys' and exists (select from api_keys where restriction is not null and revoked_at is null)`,
    [stampOf('keys')],
  );
}

/** The version of each projection in PostgreSQL, `<number>` or `<number>-<stamp>`; '0' where nothing was ever written. */
export async function readVersion(client: pg.Pool | pg.PoolClient, name: ProjectionName): Promise<string> {
  const { rows } = await client.query<{ version: string }>(
    `select concat_ws('-', version, nullif(stamp, '')) as version from projection_versions where name = $1`,
    [name],
  );
  return rows[0]?.version ?? '0';
}

/** A copy of creators is compared with the plain number by versions before, which run at the same time during an update. */
function stampOf(name: ProjectionName): string {
  return name === 'creators' ? '' : randomBytes(6).toString('hex');
}
