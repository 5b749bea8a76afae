import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { StoredEvent } from '@tributary/events';
import {
  encodeCursor,
  FEED,
  type FeedBatch,
  FeedReader,
  FeedWriter,
  INBOX,
  type InboxBatch,
  InboxProducer,
  InboxReader,
  LogKeys,
  LogTransport,
  outcomeOf,
} from '@tributary/log';
import { createPool, createRedis, Metrics } from '@tributary/runtime';
import { createDatabase, startRedis, type SuiteServer, waitFor } from '@tributary/testing';
import type { Redis } from 'ioredis';
import type { Pool } from 'pg';
import { positionOf } from '../events/envelopes.js';
import { judgeCursor } from '../events/positions.js';
import { LiveHub } from '../live/hub/hub.js';
import { Committer } from './writer/committer.js';
import { DayPartitions } from './retention/days.js';
import { EventStore } from './event-store.js';
import type { Head } from './writer/generations.js';
import { migrate } from './schema/migrate.js';
import { StoreController, StoreWriter } from './writer/writer.js';

const logged: string[] = [];
const logger = {
  info: () => undefined,
  warn: (...words: unknown[]) => void logged.push(JSON.stringify(words)),
  error: () => undefined,
  trace: () => undefined,
  debug: () => undefined,
};
const now = () => BigInt(Math.floor(Date.now() / 1000)) << 32n;
const ROOM = String(now() + 77n);
let server: SuiteServer;
let database: Awaited<ReturnType<typeof createDatabase>>;
let pool: Pool;
let redis: Redis;
let keys: LogKeys;
let producer: InboxProducer;
const stops: (() => Promise<unknown> | void)[] = [];

const draft = (n: number) => ({
  id: `${ROOM}-${now() + BigInt(n)}`,
  type: 'tiktok.live.chat',
  creatorId: 'cr_a',
  handle: 'a',
  roomId: ROOM,
  time: Date.now(),
  receivedAt: Date.now(),
  data: { n },
});

async function client(use: 'command' | 'blocking' = 'command'): Promise<Redis> {
  const made = createRedis(server.url, logger, { name: 'spec', use });
  stops.push(() => made.disconnect());
  await waitFor(() => made.status === 'ready');
  return made;
}

async function startWriter() {
  const commands = await client();
  const reader = new InboxReader({ redis: commands, keys, batchEntriesMax: 200, keepMs: 600_000, inboxBytesMax: 0 });
  const committer = new Committer(pool, new DayPartitions(pool));
  const writer = new StoreWriter(committer, reader, new FeedWriter(commands, keys, 1_000), new Metrics('spec'), logger);
  const transport = new LogTransport({ logger, inbox: { reader, positions: writer, keys, subscriber: await client('blocking') } });
  transport.addHandler(INBOX, (batch: InboxBatch) => new StoreController(writer).commit(batch), true);
  transport.listen(() => undefined);
  let stopped = false;
  const stop = async () => {
    if (!stopped) await transport.close();
    stopped = true;
  };
  stops.push(stop);
  await waitFor(() => writer.head, { what: 'the writer to have read the head' });
  return { writer, stop };
}

async function startHub(quietMs = 200): Promise<LiveHub> {
  const hub = new LiveHub({ store: new EventStore(pool), logger, quietMs });
  const feed = await client('blocking');
  const transport = new LogTransport({ logger, feed: { reader: new FeedReader(feed, keys, 200) }, onClosing: () => feed.disconnect() });
  transport.addHandler(FEED, (batch: FeedBatch) => outcomeOf(() => (hub.take(batch), { kind: 'done' })), true);
  await hub.start();
  transport.listen(() => undefined);
  stops.push(async () => {
    hub.stop();
    await transport.close();
  });
  return hub;
}

function startProducer(): void {
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
}

/** A reader of everything, from the head on. */
function follow(hub: LiveHub, { generation, seq }: Head) {
  const leaving = new AbortController();
  stops.push(() => leaving.abort());
  const state = { seen: [] as StoredEvent[], generation, ended: false };
  void (async () => {
    for await (const step of hub.follow({}, seq, leaving.signal, generation)) {
      state.seen.push(...step.events);
      state.generation = step.generation;
    }
    state.ended = true;
  })();
  return state;
}

const hold = () => redis.hset(keys.leases(keys.partitionOf('cr_a')), 'cr_a', '1 worker 9999999999999');
const head = () => new EventStore(pool).head();
const verdictOn = async (generation: number, seq: number) => judgeCursor(encodeCursor({ generation, seq }), await head(), 'cursor').kind;

async function put(from: number, to: number): Promise<void> {
  for (let n = from; n <= to; n++) producer.append(draft(n), '1');
  await producer.confirmed(AbortSignal.timeout(8_000));
}

/** What the start of another server on this database leaves behind: `log_head` names a life that is over. */
const restart = () => pool.query(`update log_head set life = 'the life before'`);

/** What a restored backup is: the log as it was, and in `log_head` the life of the server that it was taken from. */
async function restore({ generation, seq, traceless = false }: { generation: number; seq: number; traceless?: boolean }): Promise<void> {
  await pool.query('delete from events where seq > $1', [seq]);
  await pool.query('delete from log_generations where generation > $1', [generation]);
  await pool.query('update log_head set seq = $1, generation = $2', [seq, generation]);
  if (!traceless) await restart();
}

beforeAll(async () => {
  server = await startRedis({ appendonly: 'no' });
});
afterAll(() => server.remove());

beforeEach(async () => {
  logged.length = 0;
  database = await createDatabase();
  await migrate(database.url);
  pool = createPool(database.url, logger, { name: 'spec', max: 10 });
  keys = new LogKeys(`t-${randomUUID().slice(0, 8)}`, 2);
  redis = await client();
  await hold();
  startProducer();
});

afterEach(async () => {
  await producer.stop();
  for (const stop of stops.splice(0).reverse()) await stop();
  await pool.end();
  await database.drop();
});

describe('a restore of the database', () => {
  // The restores of this test leave no trace in the database: Redis alone remembers what it had.
  it('raises the generation above every one before, for a second restore of an older backup too', async () => {
    let store = await startWriter();
    await put(1, 100);
    const g1 = (await head()).generation;
    await store.stop();
    await restore({ generation: g1, seq: 90, traceless: true });
    store = await startWriter();
    const g2 = (await head()).generation;
    expect(g2).toBeGreaterThan(g1);
    const hub = await startHub();
    await put(101, 120);
    await store.stop();
    await restore({ generation: g1, seq: 50, traceless: true });
    await startWriter();
    const start = await head();
    expect(start.generation).toBeGreaterThan(g2);
    const reader = follow(hub, start);
    await put(201, 260);
    await waitFor(() => reader.seen.length >= 60, { what: 'the reader to get what is stored after the restore' });
    expect(reader.ended).toBe(false);
    expect(await verdictOn(g2, 91)).toBe('lost');
  });

  it('is noticed beside a new, empty Redis: no cursor of the lost future is honoured', async () => {
    const store = await startWriter();
    await put(1, 150);
    const before = await head();
    await store.stop();
    await producer.stop();
    await redis.flushall();
    await hold();
    await restore({ generation: before.generation, seq: 100 });
    await startWriter();
    startProducer();
    await put(1_001, 1_060);
    expect(await verdictOn(before.generation, 150)).toBe('lost');
    expect(await verdictOn(before.generation, 101)).toBe('lost');
    expect(await verdictOn(before.generation, 100)).toBe('good');
  });

  it('under a running writer is noticed by the commit itself', async () => {
    await startWriter();
    await put(1, 20);
    const before = await head();
    await redis.del(keys.head);
    await restore({ generation: before.generation, seq: 10 });
    await put(21, 25);
    expect((await head()).generation).toBeGreaterThan(before.generation);
    expect(await verdictOn(before.generation, 11)).toBe('lost');
  });

  it('that leaves no trace in database and Redis is noticed by who has seen more', async () => {
    const store = await startWriter();
    const hub = await startHub(50);
    await put(1, 20);
    await waitFor(() => hub.head() === 20);
    const before = await head();
    const ahead = follow(hub, before);
    await store.stop();
    await redis.del(keys.head);
    await restore({ generation: before.generation, seq: 10, traceless: true });
    await waitFor(() => ahead.ended, { what: 'the reader of the lost future to be ended' });
    expect(await verdictOn(before.generation, 11)).toBe('lost');
    expect(hub.head()).toBe(10);
  });
});

describe('a start of the database server that lost nothing', () => {
  it('begins a generation, and costs no reader its place', async () => {
    await startWriter();
    const hub = await startHub();
    await put(1, 20);
    const before = await head();
    const reader = follow(hub, before);
    await restart();
    await put(21, 30);
    await waitFor(() => reader.seen.length === 10);
    const after = await head();
    expect(after.generation).toBeGreaterThan(before.generation);
    expect(reader).toMatchObject({ ended: false, generation: after.generation });
    expect(reader.seen.map(({ seq }) => seq)).toEqual([21, 22, 23, 24, 25, 26, 27, 28, 29, 30]);
    expect(await verdictOn(before.generation, 20)).toBe('good');
    expect(await verdictOn(before.generation, 21)).toBe('lost');
    expect(logged).toEqual([]);
    // What is asked for again comes with the same position, whatever generation it is read in.
    const { history } = after;
    expect(positionOf(20, before.history)).toBe(positionOf(20, history));
    expect(positionOf(21, history)).toBe(encodeCursor({ generation: after.generation, seq: 21 }));
    // A reader that is still in the generation before has another event of that number.
    expect(positionOf(21, history, before.generation)).toBe(encodeCursor({ generation: before.generation, seq: 21 }));
  });
});

describe('a hub that has heard of a generation which the database does not have', () => {
  it('makes the database begin one above it, and goes on', async () => {
    await startWriter();
    const hub = await startHub(50);
    const { generation } = await head();
    hub.take({ generation: generation + 1_000, after: 0, to: 1, events: [] });
    await waitFor(() => hub.generation > generation + 1_000, { what: 'the hub to be in a generation of the database' });
    const reader = follow(hub, await head());
    await put(1, 5);
    await waitFor(() => reader.seen.length === 5);
  });
});
