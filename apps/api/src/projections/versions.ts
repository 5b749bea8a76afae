import type pg from 'pg';

/** What PostgreSQL holds and Redis has a copy of. */
export type ProjectionName = 'creators' | 'keys';

/**
 * Marks a projection as changed. Call it FIRST in the transaction that changes the table: its row lock makes writers of
 * one table take turns, so that versions are in commit order.
 */
export async function bumpVersion(client: pg.PoolClient, name: ProjectionName): Promise<void> {
  await client.query(
    `insert into projection_versions (name, version) values ($1, 1)
     on conflict (name) do update set version = projection_versions.version + 1`,
    [name],
  );
}

/** The version of each projection in PostgreSQL; '0' where nothing was ever written. */
export async function readVersion(client: pg.Pool | pg.PoolClient, name: ProjectionName): Promise<string> {
  const { rows } = await client.query<{ version: string }>('select version from projection_versions where name = $1', [name]);
  return rows[0]?.version ?? '0';
}

/** Runs `work` in one transaction: commits its result, or rolls back and throws its error. */
export async function inTransaction<T>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    await client.query('begin');
    const result = await work(client);
    await client.query('commit');
    return result;
  } catch (error) {
    await client.query('rollback').catch((rollbackError: Error) => {
      broken = rollbackError;
    });
    throw error;
  } finally {
    // A connection that cannot even roll back is not given back to the pool.
    client.release(broken);
  }
}
