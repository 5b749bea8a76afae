import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createPool } from '@tributary/runtime';
import { createDatabase, waitFor } from '@tributary/testing';
import pg from 'pg';
import { Committer } from '../writer/committer.js';
import { DayPartitions } from './days.js';
import { EventStore } from '../event-store.js';
import { migrate } from '../schema/migrate.js';

const logger = { info: () => undefined, warn: () => undefined, error: () => undefined, trace: () => undefined, debug: () => undefined };
const OLD = '2024-01-02';
/** Nothing that a commit or a read needs may be locked for longer. */
const LOCK_MS_MAX = 400;

let database: Awaited<ReturnType<typeof createDatabase>>;
let pool: pg.Pool;
/** Whoever waits for a lock here for longer than it may is told so by an error. */
let impatient: pg.Pool;
let days: DayPartitions;

beforeEach(async () => {
  database = await createDatabase();
  await migrate(database.url);
  pool = createPool(database.url, logger, { name: 'store', max: 3 });
  const options = encodeURIComponent(`-c lock_timeout=${LOCK_MS_MAX}`);
  impatient = createPool(`${database.url}?options=${options}`, logger, { name: 'spec', max: 10 });
  days = new DayPartitions(pool);
  await days.ensureLive();
});
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
  await pool.end();
  await impatient.end();
  await database.drop();
});

const stops: (() => Promise<void>)[] = [];
/** A session that reads for a long time; it ends with the test at the latest. */
async function openReader(): Promise<pg.Client> {
  const reader = new pg.Client({ connectionString: database.url });
  await reader.connect();
  stops.push(() => reader.end());
  return reader;
}

let n = 0;
const message = (ms: number) => String((BigInt(Math.floor(ms / 1_000)) << 32n) + BigInt(++n));
const entry = (at = Date.now(), id = `7540589352666090247-${message(at)}`) => ({
  partition: 0,
  entryId: `1-${++n}`,
  fields: { id, type: 'tiktok.live.chat', creator: 'cr_a', handle: 'a', room: 'r', ts: String(at), at: String(at), data: '{"a":1}' },
});

/** Commits and reads for ever; tells what failed. */
function using(): { commits(): number; reads(): number; failures: string[]; stop(): Promise<void> } {
  const committer = new Committer(impatient, new DayPartitions(impatient));
  const store = new EventStore(impatient);
  const failures: string[] = [];
  const done = { commits: 0, reads: 0 };
  let on = true;
  const forever = async (kind: 'commits' | 'reads', work: () => Promise<unknown>) => {
    while (on) {
      await work().catch((error: Error) => failures.push(`${kind}: ${error.message}`));
      done[kind]++;
    }
  };
  const running = Promise.all([
    forever('commits', async () => {
      const head = await committer.head();
      await committer.commit(head, { from: {}, to: head.positions, entries: [entry(), entry()] });
    }),
    forever('reads', () => store.query({}, { order: 'desc', limit: 10 })),
    forever('reads', () => store.query({}, { order: 'asc', limit: 10 })),
  ]);
  const stop = async () => {
    on = false;
    await running;
  };
  return { commits: () => done.commits, reads: () => done.reads, failures, stop };
}

const insertOld = (rows: number, receivedAt: string) =>
  pool.query(
    `with moved as (update log_head set seq = seq + $1 returning seq)
     insert into events (seq, day, id, type, creator_id, handle, room_id, time, received_at, data)
     select moved.seq - $1 + i, $2, moved.seq || '-' || i, 'tiktok.live.chat', 'cr_a', 'a', 'r', $2::date, $3, '{}' from moved, generate_series(1, $1) i`,
    [rows, OLD, receivedAt],
  );
const tables = async () =>
  (await pool.query<{ name: string }>(`select relname as name from pg_class where relname ~ '^events_2024[0-9]{4}$'`)).rows.map(
    ({ name }) => name,
  );
const stored = async () => (await pool.query<{ n: number }>('select count(*)::int as n from events where day = $1', [OLD])).rows[0]?.n;

describe('retention', () => {
  it('holds nobody up while a backup or any long reader has the table, and drops the day when it has ended', async () => {
    await days.ensure([OLD]);
    await insertOld(10, OLD);
    const reader = await openReader();
    await reader.query('begin transaction isolation level repeatable read, read only');
    await reader.query('lock table events in access share mode');
    await reader.query('select count(*) from events');
    const work = using();
    await waitFor(() => work.commits() > 5 && work.reads() > 5);
    const before = [work.commits(), work.reads()];
    expect(await days.dropOlderThan(30)).toEqual([]);
    expect(await days.dropOlderThan(30)).toEqual([]);
    const meanwhile = [work.commits(), work.reads()].map((count, i) => count - (before[i] ?? 0));
    // What the reader has begun to read stays as it was.
    expect((await reader.query(`select from events where day = '${OLD}'`)).rowCount).toBe(10);
    await reader.query('commit');
    expect(await days.dropOlderThan(30)).toEqual(['events_20240102']);
    expect(await tables()).toEqual([]);
    await work.stop();
    expect(work.failures).toEqual([]);
    expect(Math.min(...meanwhile)).toBeGreaterThan(20);
  });

  it('drops a table later that a reader keeps after it has left the log', async () => {
    await days.ensure([OLD]);
    await insertOld(10, OLD);
    const reader = await openReader();
    await reader.query(`begin; lock table events_20240102 in access share mode`);
    await days.dropOlderThan(30);
    expect(await tables()).toEqual(['events_20240102']);
    // Late events of this day have a place meanwhile, and it is the same for all of them.
    const committer = new Committer(pool, days);
    const late = entry(Date.parse(OLD));
    const commit = async () => {
      const head = await committer.head();
      return committer.commit(head, { from: {}, to: head.positions, entries: [late] });
    };
    // Told by an error that the day has left the log, the writer tries again.
    await commit().catch(commit);
    await commit();
    expect((await new EventStore(pool).query({}, { order: 'asc', limit: 10 })).events.map(({ id }) => id)).toEqual([late.fields.id]);
    await reader.query('commit');
    await days.dropOlderThan(30);
    expect(await tables()).toEqual([]);
  });

  it('deletes the old part of a large day without holding up commits, and keeps what was received today', async () => {
    await days.ensure([OLD]);
    for (let i = 0; i < 30; i++) await insertOld(5_000, OLD);
    await insertOld(1, new Date().toISOString());
    const work = using();
    await waitFor(() => work.commits() > 5);
    const before = work.commits();
    expect(await days.dropOlderThan(30)).toEqual([]);
    const meanwhile = work.commits() - before;
    await work.stop();
    expect(work.failures).toEqual([]);
    expect(meanwhile).toBeGreaterThan(0);
    expect(await stored()).toBe(1);
    expect((await new EventStore(pool).head()).oldestSeq).toBe(150_001);
  }, 120_000);

  it('expires no cursor of what is kept when an event that came late goes', async () => {
    const today = new Date().toISOString().slice(0, 10);
    await days.ensure([OLD]);
    const insert = `insert into events (seq, day, id, type, creator_id, handle, room_id, time, received_at, data) values ($1, $2, $3, 't', 'c', 'h', 'r', $2::date, $4, '{}')`;
    for (let seq = 1; seq <= 100; seq++) await pool.query(insert, [seq, today, `n${seq}`, new Date()]);
    await pool.query(insert, [101, OLD, 'late', OLD]);
    for (let seq = 102; seq <= 110; seq++) await pool.query(insert, [seq, today, `n${seq}`, new Date()]);
    await pool.query('update log_head set seq = 110');
    expect(await days.dropOlderThan(30)).toEqual(['events_20240102']);
    expect((await new EventStore(pool).head()).oldestSeq).toBe(1);
    expect((await new EventStore(pool).query({}, { order: 'asc', limit: 200 })).events).toHaveLength(109);
  });

  it('moves the oldest number to the smallest that remains, which may be in a later day or behind the last', async () => {
    await days.ensure([OLD, '2024-01-03']);
    await insertOld(10, OLD);
    expect(await days.dropOlderThan(30)).toEqual(['events_20240102', 'events_20240103']);
    expect((await new EventStore(pool).head()).oldestSeq).toBe(11);
    await days.ensure([OLD]);
    await insertOld(5, OLD);
    await insertOld(1, new Date().toISOString());
    await days.dropOlderThan(30);
    expect((await new EventStore(pool).head()).oldestSeq).toBe(16);
  });

  it('deletes people of sessions that are past it, however many, and no others', async () => {
    await pool.query(`insert into sessions (room_id, creator_id, handle, started_at, last_event_at)
      select 'r' || i, 'c', 'h', '2024-01-02', case when i = 1 then now() else '2024-01-02' end from generate_series(1, 350) i`);
    await pool.query(
      `insert into session_users (room_id, user_id) select 'r' || i, u::text from generate_series(1, 350) i, generate_series(1, 3) u`,
    );
    await days.dropOlderThan(30);
    expect((await pool.query('select distinct room_id from session_users')).rows).toEqual([{ room_id: 'r1' }]);
  });
});

describe('days of events', () => {
  it('an id is stored once whatever the clock says: a day that is far today and near later, and thousands of invented days', async () => {
    const committer = new Committer(pool, days);
    const commit = async (entries: ReturnType<typeof entry>[]) => {
      const head = await committer.head();
      return committer.commit(head, { from: {}, to: head.positions, entries });
    };
    const DAY_MS = 86_400_000;
    const soon = Date.now() + 20 * DAY_MS;
    const invented = Array.from({ length: 3_000 }, (_, i) => entry(Date.UTC(2017, 0, 1) + i * 9 * DAY_MS));
    await commit(invented);
    const early = entry(soon);
    await commit([early]);
    const made = async () =>
      (await pool.query<{ n: number }>(`select count(*)::int as n from pg_inherits where inhparent = 'events'::regclass`)).rows[0]?.n;
    expect(await made()).toBeLessThan(90);
    // The clock goes on: the day gets its partition, and what was there first is there still, once.
    const later = new DayPartitions(pool);
    await later.ensureLive(soon);
    await commit([early, ...invented, entry(soon)]);
    const { rows } = await pool.query<{ n: number; partition: string }>(
      `select count(*)::int as n, min(tableoid::regclass::text) as partition from events where id = $1`,
      [early.fields.id],
    );
    expect(rows).toEqual([{ n: 1, partition: `events_${new Date(soon).toISOString().slice(0, 10).replaceAll('-', '')}` }]);
    const store = new EventStore(pool);
    const found: string[] = [];
    for await (const events of store.stream({})) found.push(...events.map(({ id }) => id));
    expect(found).toHaveLength(3_002);
    expect(new Set(found).size).toBe(3_002);
    for (const { fields } of [early, invented[0]!, invented.at(-1)!]) expect((await store.byId(fields.id))?.id).toBe(fields.id);
  });

  it('takes what is old from days to come and from the undated, and no such event keeps cursors alive that have lost their events', async () => {
    const ago = (n: number) => Date.now() - n * 86_400_000;
    const committer = new Committer(pool, days);
    const commit = async (at: number, id: string) => {
      const head = await committer.head();
      await committer.commit(head, { from: {}, to: head.positions, entries: [entry(at, id)] });
      return head.seq + 1;
    };
    await commit(ago(60), `7540589352666090247-${message(Date.UTC(2090, 0, 1))}`);
    await commit(ago(60), 'undated-1');
    await commit(ago(50), `7540589352666090247-${message(ago(50))}`);
    const kept = await commit(Date.now(), `7540589352666090247-${message(Date.now())}`);
    await days.dropOlderThan(30);
    const { rows } = await pool.query<{ seq: number }>('select seq::int from events order by seq');
    expect(rows).toEqual([{ seq: kept }]);
    expect((await committer.head()).oldestSeq).toBe(kept);
  });
});
