import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { EventDraft } from '@tributary/events';
import { FeedReader, FeedWriter, INBOX, type InboxBatch, InboxProducer, InboxReader, LogKeys, LogTransport } from '@tributary/log';
import { createPool, createRedis, Metrics } from '@tributary/runtime';
import { createDatabase, startRedis, type SuiteServer, waitFor } from '@tributary/testing';
import type { Redis } from 'ioredis';
import type { Pool } from 'pg';
import { LiveHub } from '../live/hub/hub.js';
import { Committer } from './writer/committer.js';
import { DayPartitions } from './retention/days.js';
import { EventStore } from './event-store.js';
import { migrate } from './schema/migrate.js';
import { SessionsAggregate } from './sessions/sessions-aggregate.js';
import { StoreController, StoreWriter } from './writer/writer.js';

const logger = { info: () => undefined, warn: () => undefined, error: () => undefined, trace: () => undefined, debug: () => undefined };
const ROOM = String((BigInt(Math.floor(Date.now() / 1000)) << 32n) + 77n);
const message = (n: number) => String((BigInt(Math.floor(Date.now() / 1000)) << 32n) + BigInt(n));

let server: SuiteServer;
let database: Awaited<ReturnType<typeof createDatabase>>;
let pool: Pool;
let redis: Redis;
let keys: LogKeys;
let producer: InboxProducer;
const stops: (() => Promise<unknown> | void)[] = [];

const draft = (n: number, more: Partial<EventDraft> = {}): EventDraft => ({
  id: `${ROOM}-${message(n)}`,
  type: 'tiktok.live.chat',
  creatorId: 'cr_a',
  handle: 'a',
  roomId: ROOM,
  time: Date.now(),
  receivedAt: Date.now(),
  data: { comment: `text ${n}`, n, user: { id: '5', uniqueId: 'Viewer.Five' } },
  ...more,
});

const client = (use: 'command' | 'blocking' = 'command') => {
  const made = createRedis(server.url, logger, { name: 'spec', use });
  stops.push(() => made.disconnect());
  return made;
};

/** A whole store writer with clients of its own, as one api process has. */
async function startWriter() {
  const commands = client();
  await waitFor(() => commands.status === 'ready');
  const reader = new InboxReader({ redis: commands, keys, batchEntriesMax: 200, keepMs: 600_000, inboxBytesMax: 0 });
  const writer = new StoreWriter(
    new Committer(pool, new DayPartitions(pool)),
    reader,
    new FeedWriter(commands, keys, 1_000),
    new Metrics('spec'),
    logger,
  );
  const transport = new LogTransport({ logger, inbox: { reader, positions: writer, keys, subscriber: client('blocking') } });
  transport.addHandler(INBOX, (batch: InboxBatch) => new StoreController(writer).commit(batch), true);
  transport.listen(() => undefined);
  let stopped = false;
  const stop = async () => {
    if (!stopped) await transport.close();
    stopped = true;
  };
  stops.push(stop);
  return { writer, stop };
}

const storedNumbers = async () =>
  (await pool.query<{ n: number }>(`select (data->>'n')::int as n from events order by seq`)).rows.map(({ n }) => n);
const hold = () => redis.hset(keys.leases(keys.partitionOf('cr_a')), 'cr_a', '1 worker 9999999999999');
const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

beforeAll(async () => {
  server = await startRedis({ appendonly: 'no' });
});
afterAll(() => server.remove());
beforeEach(async () => {
  database = await createDatabase();
  await migrate(database.url);
  pool = createPool(database.url, logger, { name: 'spec', max: 10 });
  keys = new LogKeys(`t-${randomUUID().slice(0, 8)}`, 2);
  redis = client();
  await waitFor(() => redis.status === 'ready');
  await hold();
  producer = new InboxProducer({
    redis,
    keys,
    run: randomUUID(),
    flushMs: 1,
    retainBytesMax: 50_000_000,
    inboxBytesMax: 0,
    logger,
    onRefused: () => undefined,
  });
  producer.start();
});
afterEach(async () => {
  await producer.stop();
  for (const stop of stops.splice(0).reverse()) await stop();
  await pool.end();
  await database.drop();
});

describe('committing the log', () => {
  it('stores each event once and in order while two writers race and one of them restarts again and again', async () => {
    const total = 4_000;
    await startWriter();
    let restarts = 0;
    let done = false;
    const churn = (async () => {
      while (!done) {
        const { stop } = await startWriter();
        await delay(50);
        await stop();
        restarts++;
      }
    })();
    for (const n of upTo(total)) {
      producer.append(draft(n), '1');
      if (n % 100 === 0) await delay(5);
    }
    await waitFor(async () => (await storedNumbers()).length >= total, { what: 'all events stored' });
    done = true;
    await churn;
    expect(await storedNumbers()).toEqual(upTo(total));
    expect(restarts).toBeGreaterThan(1);
    expect(await producer.confirmed(AbortSignal.timeout(5_000))).toBe(true);
  });

  it('stores everything once over wipes of Redis in the middle', async () => {
    await startWriter();
    for (const n of upTo(2_000)) {
      producer.append(draft(n), '1');
      if (n % 400 === 0) {
        await delay(20);
        await redis.flushall();
        await hold();
      }
    }
    await waitFor(async () => (await storedNumbers()).length >= 2_000);
    expect(new Set(await storedNumbers()).size).toBe(2_000);
    expect(await storedNumbers()).toEqual(upTo(2_000));
    expect(await producer.confirmed(AbortSignal.timeout(5_000))).toBe(true);
  });

  it('stores everything once when Redis is killed and forgets all it acknowledged', async () => {
    await startWriter();
    for (const n of upTo(1_000)) {
      producer.append(draft(n), '1');
      if (n === 500) {
        await server.kill9();
        await server.restart();
        await waitFor(async () => (await redis.hset(keys.leases(keys.partitionOf('cr_a')), 'cr_a', '1 worker 9999999999999')) >= 0);
      }
    }
    await waitFor(async () => (await storedNumbers()).length >= 1_000);
    expect(await storedNumbers()).toEqual(upTo(1_000));
  });

  it('puts entries that cannot be stored aside with their reason, and stores all others of the batch', async () => {
    for (const n of upTo(20)) producer.append(draft(n), '1');
    await producer.drain(AbortSignal.timeout(5_000));
    const inbox = keys.inbox(keys.partitionOf('cr_a'));
    const good = ['id', 'x-1', 'type', 't', 'creator', 'cr_a', 'handle', 'a', 'room', '1', 'ts', '1', 'at', '1', 'v', '1', 'data', '{}'];
    const withField = (name: string, value: string) => good.map((part, i) => (good[i - 1] === name && i % 2 === 1 ? value : part));
    await redis.xadd(inbox, '*', ...withField('data', '{"broken":'));
    await redis.xadd(inbox, '*', ...withField('data', '{"nul":"\\u0000"}'));
    await redis.xadd(inbox, '*', ...withField('ts', 'yesterday'));
    await redis.xadd(inbox, '*', 'nothing', 'of use');
    for (const n of [21, 22]) producer.append(draft(n), '1');
    await startWriter();
    await waitFor(async () => (await storedNumbers()).length === 22);
    const { rows } = await pool.query<{ reason: string }>('select reason from dead_letters order by id');
    expect(rows).toHaveLength(4);
    expect(rows.map(({ reason }) => reason)).toEqual(
      expect.arrayContaining(['ts: expected ms since 1970', 'id: expected 1 to 200 characters']),
    );
  });

  it('gives a late duplicate the place of its original, whatever day it comes on', async () => {
    const old = draft(1, { id: `6900000000000000001-6900000000000000777`, roomId: '6900000000000000001' });
    await startWriter();
    producer.append(old, '1');
    await producer.confirmed(AbortSignal.timeout(5_000));
    producer.append(old, '1');
    producer.append(draft(2), '1');
    await producer.confirmed(AbortSignal.timeout(5_000));
    expect(await storedNumbers()).toEqual([1, 2]);
    const { rows } = await pool.query<{ day: string }>(`select day::text from events order by seq limit 1`);
    expect(rows[0]?.day).toBe('2020-11-28');
  });

  it('starts a new generation when the database is older than the log was', async () => {
    await startWriter();
    producer.append(draft(1), '1');
    await producer.confirmed(AbortSignal.timeout(5_000));
    const before = await new EventStore(pool).head();
    await redis.set(keys.head, `${before.generation} ${before.seq + 100}`);
    const { writer } = await startWriter();
    await waitFor(() => writer.head);
    expect((await new EventStore(pool).head()).generation).toBeGreaterThan(before.generation);
  });

  it('starts no new generation when another writer commits while a writer loads', async () => {
    const other = await startWriter();
    await waitFor(() => other.writer.head);
    const before = await new EventStore(pool).head();
    const logged: string[] = [];
    const days = new DayPartitions(pool);
    const committer = new (class extends Committer {
      override async head() {
        const head = await super.head();
        producer.append(draft(1), '1');
        await waitFor(async () => ((await new FeedWriter(redis, keys, 1_000).newest())?.seq ?? 0) > head.seq);
        return head;
      }
    })(pool, days);
    const reader = new InboxReader({ redis, keys, batchEntriesMax: 200, keepMs: 600_000, inboxBytesMax: 0 });
    const listening = { ...logger, warn: (...words: unknown[]) => void logged.push(String(words.at(-1))) };
    await new StoreWriter(committer, reader, new FeedWriter(redis, keys, 1_000), new Metrics('spec'), listening).load();
    expect(logged).toEqual([]);
    expect((await new EventStore(pool).head()).generation).toBe(before.generation);
  });
});

describe('retention', () => {
  it('drops whole days and says from where on the log is complete', async () => {
    const days = new DayPartitions(pool);
    await days.ensure(['2024-01-02', '2024-01-03']);
    await days.ensureLive();
    const insert = `insert into events (seq, day, id, type, creator_id, handle, room_id, time, received_at, data)
      values ($1, $2, $3, 't', 'c', 'h', 'r', $2::date, $4, '{}')`;
    await pool.query(insert, [10, '2024-01-02', 'a', '2024-01-02']);
    await pool.query(insert, [11, new Date().toISOString().slice(0, 10), 'b', new Date()]);
    expect(await days.dropOlderThan(30)).toEqual(['events_20240102', 'events_20240103']);
    expect((await new EventStore(pool).head()).oldestSeq).toBe(11);
    expect((await pool.query('select id from events')).rows).toEqual([{ id: 'b' }]);
  });
});

describe('retention of old days with new events', () => {
  it('deletes only what was received before it, and keeps what a long-held lease wrote today', async () => {
    const days = new DayPartitions(pool);
    await days.ensure(['2024-01-02']);
    const insert = `insert into events (seq, day, id, type, creator_id, handle, room_id, time, received_at, data)
      values ($1, '2024-01-02', $2, 't', 'c', 'h', 'r', now(), $3, '{}')`;
    await pool.query(insert, [10, 'old', '2024-01-02']);
    await pool.query(insert, [11, 'new', new Date()]);
    await pool.query(`insert into sessions (room_id, creator_id, handle, started_at, last_event_at)
      values ('gone', 'c', 'h', '2024-01-02', '2024-01-02'), ('here', 'c', 'h', now(), now())`);
    await pool.query(`insert into session_users (room_id, user_id) values ('gone', '1'), ('here', '1')`);
    expect(await days.dropOlderThan(30)).toEqual([]);
    expect((await pool.query('select id from events')).rows).toEqual([{ id: 'new' }]);
    expect((await pool.query('select room_id from session_users')).rows).toEqual([{ room_id: 'here' }]);
  });

  it('stores again on a day that another process dropped', async () => {
    await startWriter();
    const old = draft(1, { id: `6900000000000000001-6900000000000000777`, roomId: '6900000000000000001' });
    producer.append(old, '1');
    await producer.confirmed(AbortSignal.timeout(5_000));
    await pool.query('drop table events_20201128');
    producer.append({ ...old, id: '6900000000000000001-6900000000000000778' }, '1');
    expect(await producer.confirmed(AbortSignal.timeout(10_000))).toBe(true);
    expect((await pool.query('select id from events')).rows).toEqual([{ id: '6900000000000000001-6900000000000000778' }]);
    expect((await pool.query('select reason from dead_letters')).rows).toEqual([]);
  });
});

describe('queries and live reading', () => {
  it('filters in the database exactly as in memory', async () => {
    await startWriter();
    producer.append(draft(1), '1');
    producer.append(draft(2, { type: 'tiktok.live.gift', data: { n: 2, totalDiamonds: 5, user: { id: '6', uniqueId: 'six' } } }), '1');
    producer.append(draft(3, { data: { n: 3, comment: '100% _sure_', user: { id: '7', uniqueId: 'seven' } } }), '1');
    producer.append(
      draft(4, {
        type: 'tiktok.live.caption',
        data: {
          n: 4,
          texts: [
            { language: 'en', text: 'good evening' },
            { language: 'en', text: 'dear friends' },
          ],
        },
      }),
      '1',
    );
    // Text searched for is inside an object where a text is expected.
    producer.append(draft(5, { data: { n: 5, comment: { is: 'text' }, texts: [{ text: ['dear'] }, 'dear', null] } }), '1');
    await producer.confirmed(AbortSignal.timeout(5_000));
    const store = new EventStore(pool);
    const hub = new LiveHub({ store, logger });
    const all = (await store.query({}, { order: 'asc', limit: 10 })).events;
    await hub.start();
    stops.push(() => hub.stop());
    const filters = [
      { types: ['tiktok.live.gift'] },
      { types: ['tiktok.live.*'] },
      { types: ['monitor.*'] },
      { userId: '5' },
      { userId: 'viewer.five' },
      { q: 'TEXT' },
      { q: '100% _s' },
      { q: '100%%' },
      { q: 'Dear' },
      { creatorIds: ['cr_a'] },
      { creatorIds: [] },
      { until: new Date(0) },
    ];
    const { matches } = await import('../filter/filter.js');
    for (const filter of filters) {
      const stored = (await store.query(filter, { order: 'asc', limit: 10 })).events.map(({ id }) => id);
      expect(stored).toEqual(all.filter((event) => matches(filter, event)).map(({ id }) => id));
    }
  });

  it('finds what is rare one stretch after another, and pages that ran out of time lead on to all of it in both orders', async () => {
    await startWriter();
    const rare = [3, 4, 150, 151, 152, 290];
    for (const n of upTo(300)) {
      const user = { id: `id-${n}`, uniqueId: rare.includes(n) ? 'Rare.One' : 'other' };
      producer.append(draft(n, { data: { n, comment: rare.includes(n) ? 'needle' : 'hay', user } }), '1');
    }
    await producer.confirmed(AbortSignal.timeout(10_000));
    // No time at all: each page is one stretch of 20 numbers.
    const store = new EventStore(pool, { numbers: 20, msMax: 0 });
    const since = new Date(0);
    for (const filter of [{ q: 'needle' }, { userId: 'rare.one' }, { q: 'needle', types: ['tiktok.live.*'] }, { q: 'needle', since }]) {
      for (const order of ['asc', 'desc'] as const) {
        const found: number[] = [];
        let bounds: { after?: number; before?: number } = {};
        let empty = 0;
        for (let more = true; more;) {
          const page = await store.query(filter, { ...bounds, order, limit: 2 });
          found.push(...page.events.map(({ data }) => (data as { n: number }).n));
          if (page.more) expect(order === 'asc' ? page.reached > (bounds.after ?? 0) : page.reached < (bounds.before ?? 301)).toBe(true);
          if (page.more && page.events.length === 0) empty++;
          bounds = order === 'asc' ? { after: page.reached } : { before: page.reached };
          more = page.more;
          if (!more) expect(page.reached).toBe(order === 'asc' ? page.head : 1);
        }
        expect({ filter, order, found }).toEqual({ filter, order, found: order === 'asc' ? rare : rare.toReversed() });
        // A viewer's events are found by index, however rare they are.
        if (!('userId' in filter)) expect(empty).toBeGreaterThan(5);
      }
    }
    const streamed: number[] = [];
    for await (const events of store.stream({ q: 'needle' })) streamed.push(...events.map(({ data }) => (data as { n: number }).n));
    expect(streamed).toEqual(rare);
    const unhurried = await new EventStore(pool, { numbers: 20 }).query({ q: 'needle' }, { order: 'asc', limit: 6 });
    expect(unhurried).toMatchObject({ more: false, reached: 300, events: { length: 6 } });
  });

  it('leaves out what was not received in the time asked for before it searches', async () => {
    await new DayPartitions(pool).ensureLive();
    // 40 hours of the log, one event each four minutes, 4,000 numbers apart.
    await pool.query(`insert into events (seq, day, id, type, creator_id, handle, room_id, time, received_at, data)
      select n * 4000, current_date, 'n' || n, 't', 'c', 'h', 'r', now(), to_timestamp(n * 240), '{"comment":"text"}' from generate_series(1, 600) n`);
    await pool.query('update log_head set seq = 2400000');
    const store = new EventStore(pool, { numbers: 20_000, msMax: 0 });
    const filter = { q: 'text', since: new Date(400 * 240_000), until: new Date(402 * 240_000) };
    for (const order of ['asc', 'desc'] as const) {
      const page = await store.query(filter, { order, limit: 10 });
      const found = page.events.map(({ seq }) => seq / 4_000);
      expect(found).toEqual(order === 'asc' ? [400, 401] : [401, 400]);
    }
  });

  it('gives a follower everything after its position once, over feed, database and lost feed batches', async () => {
    await startWriter();
    const store = new EventStore(pool);
    const hub = new LiveHub({ store, logger, recentEventsMax: 50, quietMs: 100 });
    for (const n of upTo(300)) producer.append(draft(n), '1');
    await producer.confirmed(AbortSignal.timeout(10_000));
    await hub.start();
    const blocking = client('blocking');
    await waitFor(() => blocking.status === 'ready');
    const feed = new FeedReader(blocking, keys, 50);
    const stopping = new AbortController();
    let batches = 0;
    const pump = (async () => {
      while (!stopping.signal.aborted) {
        // every third commit is lost on its way
        for (const batch of await feed.read()) if (batches++ % 3 !== 2) hub.take(batch);
      }
    })();
    const seen: number[] = [];
    const following = (async () => {
      for await (const { events } of hub.follow({ types: ['tiktok.live.chat'] }, 0, stopping.signal)) {
        seen.push(...events.map(({ data }) => (data as { n: number }).n));
      }
    })();
    for (const n of upTo(700)) {
      producer.append(draft(300 + n), '1');
      if (n % 20 === 0) await delay(3);
    }
    await waitFor(() => seen.length >= 1_000);
    stopping.abort();
    await Promise.all([pump, following]);
    hub.stop();
    expect(seen).toEqual(upTo(1_000));
  });
});

describe('a database that was restored from a backup', () => {
  it('ends the followers of the log that is gone, and serves new ones from the one that is there', async () => {
    const { stop } = await startWriter();
    producer.append(draft(1), '1');
    producer.append(draft(2), '1');
    await producer.confirmed(AbortSignal.timeout(5_000));
    await stop();
    const hub = new LiveHub({ store: new EventStore(pool), logger, quietMs: 50 });
    stops.push(() => hub.stop());
    await hub.start();
    const leaving = AbortSignal.timeout(10_000);
    const following = hub.follow({}, hub.head(), leaving).next();
    await pool.query('delete from events; update log_head set seq = 0, generation = generation + 1');
    expect(await following).toEqual({ done: true, value: undefined });
    expect(leaving.aborted).toBe(false);
    expect(hub.head()).toBe(0);
    await startWriter();
    const third = draft(3);
    producer.append(third, '1');
    const step = await hub.follow({}, 0, AbortSignal.timeout(10_000)).next();
    const events = step.done ? [] : step.value.events;
    expect(events.map(({ id }) => id)).toContain(third.id);
  });
});

describe('sessions', () => {
  it('count each stored event once, however often and by whomever they are worked off', async () => {
    await startWriter();
    const gift = { n: 2, count: 3, totalDiamonds: 15, user: { id: '6', uniqueId: 'six', nickname: 'Six' } };
    producer.append(draft(1), '1');
    producer.append(draft(2, { type: 'tiktok.live.gift', data: gift }), '1');
    producer.append(draft(3, { type: 'tiktok.live.like', data: { n: 3, count: 4, total: 90, roomLikes: 90, user: { id: '6' } } }), '1');
    producer.append(draft(4, { type: 'tiktok.live.roomUser', data: { n: 4, viewers: 120 } }), '1');
    producer.append(draft(5, { type: 'tiktok.live.like', data: { n: 5, count: 'many' } }), '1');
    await producer.confirmed(AbortSignal.timeout(5_000));
    const signal = new AbortController().signal;
    await Promise.all([new SessionsAggregate(pool).catchUp(signal), new SessionsAggregate(pool).catchUp(signal)]);
    producer.append(draft(6, { type: 'monitor.offline', data: { n: 6, roomId: ROOM } }), '1');
    await producer.confirmed(AbortSignal.timeout(5_000));
    await new SessionsAggregate(pool).catchUp(signal);
    const { rows } = await pool.query(
      'select room_id, events::int, chats::int, likes::int, room_likes::int, diamonds::int, peak_viewers::int, ended_at from sessions',
    );
    expect(rows).toEqual([
      { room_id: ROOM, events: 5, chats: 1, likes: 4, room_likes: 90, diamonds: 15, peak_viewers: 120, ended_at: expect.any(Date) },
    ]);
    const users = await pool.query('select user_id, diamonds::int, likes::int, chats::int from session_users order by user_id');
    expect(users.rows).toEqual([
      { user_id: '5', diamonds: 0, likes: 0, chats: 1 },
      { user_id: '6', diamonds: 15, likes: 4, chats: 0 },
    ]);
  });
});
