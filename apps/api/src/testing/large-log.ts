import { startPostgres, type SuiteServer } from '@tributary/testing';
import pg from 'pg';
import { fillRanges } from '../store/fill-ranges.js';
import { migrate } from '../store/schema/migrate.js';

export interface LargeLog {
  server: SuiteServer;
  /** The first day of the log; the others follow it. */
  firstDay: number;
  rows: number;
  rowsPerDay: number;
}

const DAY_MS = 86_400_000;
const LOADERS = 2;
const COLUMNS = 'seq, day, id, type, creator_id, handle, room_id, time, received_at, user_id, user_handle, data';

/**
 * A PostgreSQL of its own with a log of `days` days, as quick as it can be made: rows before indexes, and no write-ahead log
 * for tables made in the same transaction. Of 500 creators `cr_0` to `cr_499`, the first sends a fifth; `cr_early` is there
 * on the first day alone, `cr_late` on the last. Every 50,000th event is a `monitor.gap`; every 100,000th says "needle".
 */
export async function startLargeLog({ days, rowsPerDay }: { days: number; rowsPerDay: number }): Promise<LargeLog> {
  const server = await startPostgres({
    settings: {
      wal_level: 'minimal',
      max_wal_senders: '0',
      shared_buffers: '512MB',
      max_wal_size: '8GB',
      checkpoint_timeout: '1h',
      maintenance_work_mem: '256MB',
      max_parallel_maintenance_workers: '0',
      autovacuum: 'off',
    },
  });
  try {
    await migrate(server.url);
    const firstDay = Math.floor(Date.now() / DAY_MS) * DAY_MS - (days - 1) * DAY_MS;
    const rows = days * rowsPerDay;
    let next = 0;
    const load = async () => {
      const client = new pg.Client({ connectionString: server.url });
      await client.connect();
      while (next < days) {
        const n = next++;
        await loadDay(
          client,
          firstDay + n * DAY_MS,
          n * rowsPerDay,
          rowsPerDay,
          n === 0 ? 'cr_early' : n === days - 1 ? 'cr_late' : undefined,
        );
      }
      await client.end();
    };
    await Promise.all(Array.from({ length: LOADERS }, load));
    const admin = new pg.Client({ connectionString: server.url });
    await admin.connect();
    await admin.query(`update log_head set seq = ${rows}`);
    await admin.query(
      `insert into event_ranges_missing select inhrelid::regclass::text from pg_inherits where inhparent = 'events'::regclass`,
    );
    await admin.end();
    await fillRanges(server.url);
    return { server, firstDay, rows, rowsPerDay };
  } catch (error) {
    await server.remove();
    throw error;
  }
}

async function loadDay(client: pg.Client, at: number, after: number, count: number, guest?: string): Promise<void> {
  const [day, end] = [at, at + DAY_MS].map((ms) => new Date(ms).toISOString().slice(0, 10));
  const name = `events_${day!.replaceAll('-', '')}`;
  await client.query('begin');
  await client.query(`create table ${name} (like events including defaults)`);
  await client.query(
    `insert into ${name} (${COLUMNS})
     select n, '${day}', '7540589352666090247-' || (${BigInt(at / 1_000) << 32n} + n),
       case when n % 50000 = 7 then 'monitor.gap' when n % 20 < 13 then 'tiktok.live.chat' when n % 20 < 17 then 'tiktok.live.like'
         when n % 20 < 19 then 'tiktok.live.member' else 'tiktok.live.gift' end,
       case when n % 1000 = 1 and ${guest ? 'true' : 'false'} then '${guest ?? ''}' else c end, 'h', c || '-${day}', t, t,
       (n % 50021)::text, 'user' || n % 50021,
       case when n % 100000 = 9 then '{"comment":"a needle in the hay"}' else '{"comment":"a comment of usual length on a lively evening"}' end::jsonb
     from (select n, to_timestamp(${at / 1_000} + (n - ${after}) * 86400.0 / ${count + 1}) as t,
             'cr_' || case when n % 5 = 0 then 0 else (n * 7919::bigint) % 500 end as c
           from generate_series(${after + 1}, ${after + count}) as n) as row`,
  );
  await client.query(`alter table ${name} add primary key (day, id)`);
  for (const columns of ['seq', 'creator_id, seq', 'room_id, seq', 'type, seq']) await client.query(`create index on ${name} (${columns})`);
  await client.query(`create index on ${name} (user_id, seq) where user_id is not null`);
  await client.query(`create index on ${name} (user_handle, seq) where user_handle is not null`);
  await client.query(`create index on ${name} using brin (received_at)`);
  await client.query(`alter table ${name} add check (day >= '${day}' and day < '${end}')`);
  await client.query('commit');
  await client.query(`alter table events attach partition ${name} for values from ('${day}') to ('${end}')`);
  await client.query(`vacuum analyze ${name}`);
}
