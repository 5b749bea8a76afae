import { connectClient } from '@tributary/runtime';
import type pg from 'pg';

/** One partition, or the wait for another process that describes it. */
const STATEMENT_MS = 600_000;

/**
 * Describes in event_ranges what was stored before that table existed: partition by partition, each in a transaction of its
 * own, while other processes go on storing. Several processes may run it at once; all return when nothing is missing.
 */
export async function fillRanges(databaseUrl: string): Promise<void> {
  const client = await connectClient(databaseUrl, { name: 'ranges', statementMs: STATEMENT_MS });
  try {
    while (await fillOne(client));
  } finally {
    await client.end();
  }
}

async function fillOne(client: pg.Client): Promise<boolean> {
  // Before the transaction: a commit that must widen one of its ranges shall not wait for this scan too.
  const [first] = (
    await client.query<{ name: string }>(
      `select partition as name from event_ranges_missing where to_regclass(partition) is not null order by 1 limit 1`,
    )
  ).rows;
  if (first) await client.query(`insert into event_types select distinct type from ${first.name} on conflict do nothing`);
  await client.query('begin');
  const { rows } = await client.query<{ name: string; there: boolean }>(
    `select partition as name, to_regclass(partition) is not null as there from event_ranges_missing order by 1 limit 1 for update`,
  );
  const [next] = rows;
  if (next?.there) {
    await client.query(
      `insert into event_ranges as r
       select seq >> 14, case when day >= '0101-01-01' and day < '0201-01-01' then '0101-01-01' else day end, min(seq), max(seq), min(received_at), max(received_at)
       from ${next.name} group by 1, 2
       on conflict (block, day) do update set
         first_seq = least(r.first_seq, excluded.first_seq), last_seq = greatest(r.last_seq, excluded.last_seq),
         received_from = least(r.received_from, excluded.received_from), received_to = greatest(r.received_to, excluded.received_to)`,
    );
    await client.query(`insert into event_types select distinct type from ${next.name} on conflict do nothing`);
  }
  if (next) await client.query('delete from event_ranges_missing where partition = $1', [next.name]);
  await client.query('commit');
  // A row that another process has just done is skipped by the lock: there may be more behind it.
  if (next) return true;
  return ((await client.query('select from event_ranges_missing limit 1')).rowCount ?? 0) > 0;
}
