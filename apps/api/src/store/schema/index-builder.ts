import { allowLong } from '@tributary/runtime';
import type { Pool, PoolClient } from 'pg';

const BUILD_LOCK = 7_241_003;
const BUILD_MS_MAX = 600_000;
/** Attaching an index waits for the readers of its partition, and new ones behind it: it gives up soon, and tries again later. */
const ATTACH_WAIT_MS = 300;
const LOCK_NOT_AVAILABLE = '55P03';

/** Indexes on whole tables that grow. A migration would build them with a lock that stops every insert. */
const TABLE_INDEXES = [{ name: 'sessions_last_event_at_idx', on: 'sessions (last_event_at)' }];
/** Indexes of the events table that came after it had partitions: a migration makes them on the parent only. */
const PARTITION_INDEXES = [{ name: 'events_type_seq_idx', suffix: '_type_seq_idx', columns: '(type, seq)' }];

/**
 * Builds the indexes that are missing, concurrently and one at a time; readers do without until then. One process at a time
 * does this. What an interrupted build left is made anew. Returns the names of the indexes that were built.
 */
export async function buildIndexes(pool: Pool, signal: AbortSignal): Promise<string[]> {
  const client = await pool.connect();
  // A build goes on in the server when its connection is closed; this process need not wait for it.
  const leave = () => client.release(true);
  signal.addEventListener('abort', leave, { once: true });
  try {
    await allowLong(client, BUILD_MS_MAX);
    await client.query(`set statement_timeout = ${BUILD_MS_MAX}`);
    const { rows } = await client.query<{ mine: boolean }>('select pg_try_advisory_lock($1) as mine', [BUILD_LOCK]);
    return rows[0]?.mine ? await build(client) : [];
  } catch (error) {
    if (signal.aborted) return [];
    throw error;
  } finally {
    signal.removeEventListener('abort', leave);
    // Closed rather than given back: the settings and the lock end with it.
    if (!signal.aborted) client.release(true);
  }
}

async function build(client: PoolClient): Promise<string[]> {
  const built: string[] = [];
  for (const { name, on } of TABLE_INDEXES) if (await concurrently(client, name, on)) built.push(name);
  for (const { name, suffix, columns } of PARTITION_INDEXES) {
    const { rows } = await client.query<{ partition: string }>(
      `select c.relname as partition from pg_inherits i join pg_class c on c.oid = i.inhrelid
       where i.inhparent = 'events'::regclass and not i.inhdetachpending and not exists (
         select from pg_index x join pg_inherits p on p.inhrelid = x.indexrelid where x.indrelid = c.oid and p.inhparent = $1::regclass)
       order by c.relname desc`,
      [name],
    );
    for (const { partition } of rows) {
      if (await concurrently(client, partition + suffix, `${partition} ${columns}`)) built.push(partition + suffix);
      await attach(client, name, partition + suffix);
    }
  }
  return built;
}

/** Whether the index had to be built. One that is there and not valid was left by a build that was cut off. */
async function concurrently(client: PoolClient, name: string, on: string): Promise<boolean> {
  const { rows } = await client.query<{ valid: boolean }>('select indisvalid as valid from pg_index where indexrelid = to_regclass($1)', [
    name,
  ]);
  if (rows[0]?.valid) return false;
  if (rows[0]) await client.query(`drop index concurrently ${name}`);
  await client.query(`create index concurrently ${name} on ${on}`);
  return true;
}

async function attach(client: PoolClient, parent: string, index: string): Promise<void> {
  try {
    await client.query(`set lock_timeout = ${ATTACH_WAIT_MS}`);
    await client.query(`alter index ${parent} attach partition ${index}`);
  } catch (error) {
    if ((error as { code?: string }).code !== LOCK_NOT_AVAILABLE) throw error;
  } finally {
    await client.query('set lock_timeout = 0');
  }
}
