import { canNameHosts } from '@tributary/testing';
import pg from 'pg';
import type { Kind, Preparation } from './kind.js';
import type { FailoverSystem } from '../failover-system.js';

const FROZEN_MS = 30_000;
/** Rooms are so busy (messages a second each) for so long that more is spooled than memory holds. */
const FLOOD = 12;
const FLOOD_MS = 8_000;
const RETAIN_BYTES_MAX = 1_048_576;
const OLD_EVENTS = 20_000;
const OLD_DAY = Date.UTC(2024, 0, 1);
const DAY_MS = 86_400_000;
const INJECTIONS_MAX = 40;
const READ_MS = [15_000, 25_000] as const;
const DROPPED_MS_MAX = 90_000;

/** Faults in which one part is stopped while the others continue. */
export const SLOW: readonly Kind[] = [
  {
    name: 'worker-frozen',
    title: 'a worker is stopped for 30 s while Redis is away; all workers spool into one folder, and what is on disk leaves their memory',
    seconds: 60,
    losesNothing: true,
    stallMsMax: 75_000,
    prepare: sharedSpool,
    inject: async (system) => {
      const thaw = await freezeAmidOutage(system);
      try {
        await system.sleep(FROZEN_MS);
        thaw();
        await system.pause(500, 3_000);
      } finally {
        thaw();
        await system.redis.start();
      }
    },
  },
  {
    name: 'worker-replaced',
    title: 'the same, but Redis is back after 12 to 20 s: others take the creators of the worker before it goes on',
    seconds: 60,
    // It wakes up with 30 s of messages in its sockets, which it may still have to give.
    stallMsMax: 75_000,
    prepare: sharedSpool,
    inject: async (system) => {
      const end = Date.now() + FLOOD_MS + FROZEN_MS;
      const thaw = await freezeAmidOutage(system);
      try {
        await system.pause(4_000, 12_000);
        await system.redis.start();
        await system.sleep(Math.max(0, end - Date.now()));
      } finally {
        thaw();
      }
    },
  },
  {
    name: 'retention',
    title: 'retention drops a day while a transaction that has read every table is open for 15 to 25 s, as pg_dump has one',
    seconds: 45,
    losesNothing: true,
    stallMsMax: 15_000,
    prepare: () => Promise.resolve({ stack: { env: { RETENTION_DAYS: '7' } } }),
    // The head moves up before anything is stored, so that old events can have numbers below those of all others.
    setUp: async (system) => void (await system.pool.query('update log_head set seq = $1', [INJECTIONS_MAX * OLD_EVENTS])),
    inject: async (system, n) => {
      const day = await addOldDay(system, n);
      const reader = new pg.Client({ connectionString: system.postgres.url });
      reader.on('error', () => undefined);
      await reader.connect();
      try {
        await readEverything(reader);
        // Retention runs at the start of the api, and then each hour.
        await system.stack.api.stop();
        await system.stack.api.start();
        await system.pause(...READ_MS);
        await reader.query('commit');
      } finally {
        await reader.end();
      }
      await system.stack.api.stop();
      await system.stack.api.start();
      await system.wait(`the day ${day} to be dropped`, DROPPED_MS_MAX, async () => {
        const { rows } = await system.pool.query(`select from events where day = $1 limit 1`, [day]);
        return rows.length === 0;
      });
    },
  },
];

/** One spool for all, on hosts of their own where that can be: there a process id of another says nothing. */
function sharedSpool(): Promise<Preparation> {
  const hosts = canNameHosts();
  const env = { SILENCE_MS: String(2 * FROZEN_MS), RETAIN_BYTES_MAX: String(RETAIN_BYTES_MAX) };
  return Promise.resolve({
    stack: { sharedSpool: true, hosts, env },
    how: hosts ? 'each worker has a host name of its own' : 'all workers are on one host',
  });
}

/** Stops Redis, lets the rooms be busy until spools are in use, and stops a worker; the function lets it go on. */
async function freezeAmidOutage(system: FailoverSystem): Promise<() => void> {
  await system.redis.stop();
  await system.sim('PATCH', '/rooms', { rate: FLOOD });
  await system.sleep(FLOOD_MS);
  await system.sim('PATCH', '/rooms', { rate: system.rate });
  const victim = system.stack.workers[Math.floor(system.random() * system.stack.workers.length)];
  victim?.signal('SIGSTOP');
  return () => victim?.signal('SIGCONT');
}

/** A day long past its retention with some thousand events; its name. */
async function addOldDay(system: FailoverSystem, n: number): Promise<string> {
  const day = new Date(OLD_DAY + (n % INJECTIONS_MAX) * DAY_MS).toISOString().slice(0, 10);
  const end = new Date(Date.parse(day) + DAY_MS).toISOString().slice(0, 10);
  const table = `events_${day.replaceAll('-', '')}`;
  await system.pool.query(`create table if not exists ${table} (like events including all)`);
  await system.pool.query(`alter table events attach partition ${table} for values from ('${day}') to ('${end}')`);
  await system.pool.query(
    `insert into ${table} (seq, day, id, type, creator_id, handle, room_id, time, received_at, data)
     select $2::int + n, $1::date, 'old-' || n || '-' || $1::text, 'tiktok.live.member', 'cr_old', 'old', 'old', $1::date, $1::date, '{}' from generate_series(1, ${OLD_EVENTS}) n`,
    [day, (n % INJECTIONS_MAX) * OLD_EVENTS],
  );
  return day;
}

async function readEverything(reader: pg.Client): Promise<void> {
  await reader.query('begin isolation level repeatable read');
  const { rows } = await reader.query<{ name: string }>(
    `select quote_ident(schemaname) || '.' || quote_ident(tablename) as name from pg_tables where schemaname = 'public'`,
  );
  for (const { name } of rows) {
    await reader.query(`lock table ${name} in access share mode`);
    await reader.query(`select count(*) from ${name}`);
  }
}
