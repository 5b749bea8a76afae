import { copyFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { createPool } from '@tributary/runtime';
import { createDatabase, waitFor } from '@tributary/testing';
import { runner } from 'node-pg-migrate';
import pg from 'pg';
import { EventStore } from '../event-store.js';
import { buildIndexes } from './index-builder.js';
import { migrate } from './migrate.js';

const logger = { info: () => undefined, warn: () => undefined, error: () => undefined, trace: () => undefined, debug: () => undefined };
const OLD_DAYS = ['2026-01-01', '2026-01-02', '2026-01-03'];
const PER_DAY = 20_000;
const LOCK_MS_MAX = 1_000;

let database: Awaited<ReturnType<typeof createDatabase>>;
let folder: string;
beforeEach(async () => {
  database = await createDatabase();
  folder = mkdtempSync(join(tmpdir(), 'tributary-migrations-'));
});
afterEach(async () => {
  rmSync(folder, { recursive: true });
  await database.drop();
});

/** A database as version 0005 left it, with events in three days. */
async function oldDatabase(): Promise<void> {
  const source = fileURLToPath(new URL('./migrations', import.meta.url));
  for (const name of readdirSync(source)) if (name < '0006') copyFileSync(join(source, name), join(folder, name));
  await runner({
    databaseUrl: database.url,
    dir: folder,
    direction: 'up',
    migrationsTable: 'migrations',
    singleTransaction: true,
    log: () => undefined,
  });
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  for (const [i, day] of OLD_DAYS.entries()) {
    const name = `events_${day.replaceAll('-', '')}`;
    await client.query(`create table ${name} (like events including all);
      alter table events attach partition ${name} for values from ('${day}') to ('${day.slice(0, 8)}0${i + 2}')`);
    await client.query(
      `insert into events (seq, day, id, type, creator_id, handle, room_id, time, received_at, data)
       select ${i * PER_DAY} + n, '${day}', '${day}-' || n, case n % 5000 when 0 then 'monitor.gap' else 'tiktok.live.chat' end, 'c', 'h', 'r', '${day}', '${day}', '{}'
       from generate_series(1, ${PER_DAY}) n`,
    );
  }
  await client.query(`update log_head set seq = ${OLD_DAYS.length * PER_DAY}`);
  await client.end();
}

it('migrations after the first five, and the indexes built after them, stop no insert of the version before, and miss none of its events', async () => {
  await oldDatabase();
  // An insert that waits for a lock longer than it may fails.
  const writer = new pg.Client({ connectionString: `${database.url}?options=${encodeURIComponent(`-c lock_timeout=${LOCK_MS_MAX}`)}` });
  await writer.connect();
  let stored = OLD_DAYS.length * PER_DAY;
  let on = true;
  const failures: string[] = [];
  const writing = (async () => {
    while (on) {
      try {
        await writer.query('begin');
        await writer.query('update log_head set seq = seq + 2');
        await writer.query(
          `insert into events (seq, day, id, type, creator_id, handle, room_id, time, received_at, data)
           select h.seq - 2 + n, '2026-01-03', 'new-' || h.seq || '-' || n, 'tiktok.live.gift', 'c', 'h', 'r', now(), now(), '{}' from log_head h, generate_series(1, 2) n`,
        );
        await writer.query('commit');
        stored += 2;
      } catch (error) {
        failures.push((error as Error).message);
        await writer.query('rollback');
      }
    }
  })();
  const before = stored;
  await waitFor(() => stored > before + 10);
  await Promise.all([migrate(database.url), migrate(database.url)]);
  const pool = createPool(database.url, logger, { name: 'spec', max: 3 });
  const built = await buildIndexes(pool, new AbortController().signal);
  const during = stored;
  await waitFor(() => stored > during + 10);
  on = false;
  await writing;
  await writer.end();
  expect(failures).toEqual([]);
  expect(built).toEqual(expect.arrayContaining(['events_20260101_type_seq_idx', 'sessions_last_event_at_idx']));
  expect(await buildIndexes(pool, new AbortController().signal)).toEqual([]);
  const invalid = await pool.query(`select indexrelid::regclass from pg_index where not indisvalid`);
  expect(invalid.rows).toEqual([]);
  const store = new EventStore(pool);
  let found = 0;
  for await (const events of store.stream({})) found += events.length;
  expect(found).toBe(stored);
  expect((await store.query({ types: ['monitor.*'] }, { order: 'desc', limit: 100 })).events).toHaveLength(12);
  expect((await store.query({ until: new Date('2026-01-02') }, { order: 'desc', limit: 1 })).events[0]?.seq).toBe(PER_DAY);
  await pool.end();
}, 120_000);
