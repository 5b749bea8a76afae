import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { createDatabase } from '@tributary/testing';
import pg from 'pg';
import { cleanUp } from './cleanup.js';
import { migrate } from '../schema/migrate.js';

let database: Awaited<ReturnType<typeof createDatabase>>;
let pool: pg.Pool;
const { signal } = new AbortController();
const KEEP = { retentionDays: 30, sessionRetentionDays: 400 };

beforeAll(async () => {
  database = await createDatabase();
  await migrate(database.url);
  pool = new pg.Pool({ connectionString: database.url, max: 2 });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});
afterEach(() => pool.query('truncate dead_letters, sessions, session_users, api_keys, creators, creator_handles'));

const column = async (sql: string) => (await pool.query<{ value: string }>(sql)).rows.map(({ value }) => value);
const deadLetter = (name: string, days: number) =>
  pool.query(
    `insert into dead_letters (at, partition, entry_id, reason, fields) values (now() - make_interval(days => $2), 0, $1, 'bad', '{}')`,
    [name, days],
  );
const session = async (room: string, days: number, creator = 'cr_a') => {
  await pool.query(
    `insert into sessions (room_id, creator_id, handle, started_at, last_event_at)
     values ($1, $2, 'a', now(), now() - make_interval(days => $3))`,
    [room, creator, days],
  );
  await pool.query(`insert into session_users (room_id, user_id) select $1, n::text from generate_series(1, 2500) n`, [room]);
};
const creator = async (id: string, deletedDays: number | null) => {
  await pool.query(`insert into creators (id, unique_id, deleted_at) values ($1, $1, now() - make_interval(days => $2))`, [
    id,
    deletedDays,
  ]);
  await pool.query('insert into creator_handles (creator_id, unique_id) values ($1, $1)', [id]);
};

describe('the clean-up', () => {
  it('removes dead letters with the events, and after 90 days where events are kept for ever', async () => {
    for (const days of [10, 40, 100]) await deadLetter(`d${days}`, days);
    await cleanUp(pool, { ...KEEP, retentionDays: 0 }, signal);
    expect(await column('select entry_id as value from dead_letters order by 1')).toEqual(['d10', 'd40']);
    await cleanUp(pool, KEEP, signal);
    expect(await column('select entry_id as value from dead_letters')).toEqual(['d10']);
  });

  it('removes sessions past their own time, with all of their viewers', async () => {
    await session('old', 401);
    await session('young', 399);
    await cleanUp(pool, { ...KEEP, sessionRetentionDays: 0 }, signal);
    expect(await column('select room_id as value from sessions order by 1')).toEqual(['old', 'young']);
    await cleanUp(pool, KEEP, signal);
    expect(await column('select room_id as value from sessions')).toEqual(['young']);
    expect(await column('select distinct room_id as value from session_users')).toEqual(['young']);
  });

  it('removes keys that were revoked or have expired long ago, and no others', async () => {
    await pool.query(
      `insert into api_keys (id, hash, name, scopes, revoked_at, expires_at)
       select n, n, n, '{read}', now() - make_interval(days => revoked), now() - make_interval(days => expired)
       from (values ('in-force', null, null), ('short', null, -1), ('revoked', 10, null), ('expired', null, 10), ('long-revoked', 91, null),
         ('long-expired', null, 91), ('revoked-after', 10, 91)) as row (n, revoked, expired)`,
    );
    await cleanUp(pool, KEEP, signal);
    expect(await column('select id as value from api_keys order by 1')).toEqual(['expired', 'in-force', 'revoked', 'short']);
  });

  it('removes creators and their handles when neither an event nor a session can name them any more', async () => {
    await creator('cr_there', null);
    await creator('cr_removed', 20);
    await creator('cr_with_session', 50);
    await creator('cr_gone', 50);
    await session('room', 60, 'cr_with_session');
    await cleanUp(pool, { ...KEEP, retentionDays: 0 }, signal);
    expect(await column('select id as value from creators')).toHaveLength(4);
    await cleanUp(pool, KEEP, signal);
    const left = ['cr_removed', 'cr_there', 'cr_with_session'];
    expect(await column('select id as value from creators order by 1')).toEqual(left);
    expect(await column('select creator_id as value from creator_handles order by 1')).toEqual(left);
  });
});
