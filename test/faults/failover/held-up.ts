import { canNameHosts } from '@tributary/testing';
import pg from 'pg';
import type { Kind } from './kind.js';
import type { FailoverScene } from './scene.js';

const FROZEN_MS = 30_000;
const OLD_EVENTS = 20_000;
const OLD_DAY = Date.UTC(2024, 0, 1);
const DAY_MS = 86_400_000;
const INJECTIONS_MAX = 40;
const READ_MS = [15_000, 25_000] as const;
const DROPPED_MS_MAX = 90_000;

/** Faults in which one part is held up while the others go on. */
export const HELD_UP: readonly Kind[] = [
  {
    name: 'worker-frozen',
    title: 'a worker is stopped for 30 s while Redis is away for 12 to 22 s of them; all workers spool into one folder',
    seconds: 60,
    // It wakes up with 30 s of messages in its sockets, which it may still have to give.
    stallMsMax: 75_000,
    prepare: () => {
      const hosts = canNameHosts();
      return Promise.resolve({
        stack: { sharedSpool: true, hosts, env: { SILENCE_MS: String(2 * FROZEN_MS) } },
        how: hosts ? 'each worker has a host name of its own' : 'all workers are on one host',
      });
    },
    inject: async (scene) => {
      await scene.redis.stop();
      await scene.pause(1_500, 4_000);
      const victim = scene.stack.workers[Math.floor(scene.random() * scene.stack.workers.length)];
      const end = Date.now() + FROZEN_MS;
      victim?.signal('SIGSTOP');
      try {
        await scene.pause(10_000, 18_000);
        await scene.redis.start();
        await scene.sleep(Math.max(0, end - Date.now()));
      } finally {
        victim?.signal('SIGCONT');
      }
    },
  },
  {
    name: 'retention',
    title: 'retention drops a day while a transaction that has read every table is open for 15 to 25 s, as pg_dump has one',
    seconds: 45,
    stallMsMax: 15_000,
    prepare: () => Promise.resolve({ stack: { env: { RETENTION_DAYS: '7' } } }),
    // The head moves up before anything is stored, so that old events can have numbers below those of all others.
    setUp: async (scene) => void (await scene.pool.query('update log_head set seq = $1', [INJECTIONS_MAX * OLD_EVENTS])),
    inject: async (scene, n) => {
      const day = await addOldDay(scene, n);
      const reader = new pg.Client({ connectionString: scene.postgres.url });
      reader.on('error', () => undefined);
      await reader.connect();
      try {
        await readEverything(reader);
        // Retention runs at the start of the api, and then each hour.
        await scene.stack.api.stop();
        await scene.stack.api.start();
        await scene.pause(...READ_MS);
        await reader.query('commit');
      } finally {
        await reader.end();
      }
      await scene.stack.api.stop();
      await scene.stack.api.start();
      await scene.wait(`the day ${day} to be dropped`, DROPPED_MS_MAX, async () => {
        const { rows } = await scene.pool.query(`select from events where day = $1 limit 1`, [day]);
        return rows.length === 0;
      });
    },
  },
];

/** A day long past its retention with some thousand events; its name. */
async function addOldDay(scene: FailoverScene, n: number): Promise<string> {
  const day = new Date(OLD_DAY + (n % INJECTIONS_MAX) * DAY_MS).toISOString().slice(0, 10);
  const end = new Date(Date.parse(day) + DAY_MS).toISOString().slice(0, 10);
  const table = `events_${day.replaceAll('-', '')}`;
  await scene.pool.query(`create table if not exists ${table} (like events including all)`);
  await scene.pool.query(`alter table events attach partition ${table} for values from ('${day}') to ('${end}')`);
  await scene.pool.query(
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
