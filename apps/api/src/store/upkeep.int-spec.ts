import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { EventDraft } from '@tributary/events';
import {
  disagreementOnPartitions,
  FeedWriter,
  INBOX,
  type InboxBatch,
  InboxProducer,
  InboxReader,
  LogKeys,
  LogTransport,
} from '@tributary/log';
import { createPool, createRedis, Metrics } from '@tributary/runtime';
import { createDatabase, startRedis, type SuiteServer, waitFor } from '@tributary/testing';
import type { Redis } from 'ioredis';
import type { Pool } from 'pg';
import { startLoop } from '../loop.js';
import { Committer } from './writer/committer.js';
import { DayPartitions } from './retention/days.js';
import { migrate } from './schema/migrate.js';
import { StoreController, StoreWriter } from './writer/writer.js';

const logger = { info: () => undefined, warn: () => undefined, error: () => undefined, trace: () => undefined, debug: () => undefined };
const SECONDS = BigInt(Math.floor(Date.now() / 1000)) << 32n;
const ROOM = String(SECONDS + 77n);
/** What the api does on a schedule. */
const UPKEEP_MS = 5_000;

let server: SuiteServer;
let database: Awaited<ReturnType<typeof createDatabase>>;
let pool: Pool;
let redis: Redis;
let keys: LogKeys;
let logged: string[];
const stops: (() => Promise<unknown> | void)[] = [];

const draft = (n: number, text = 'x'.repeat(250)): EventDraft => ({
  id: `${ROOM}-${SECONDS + BigInt(n)}`,
  type: 'tiktok.live.chat',
  creatorId: 'cr_a',
  handle: 'a',
  roomId: ROOM,
  time: Date.now(),
  receivedAt: Date.now(),
  data: { comment: text, n, user: { id: String(n % 5_000), uniqueId: 'viewer' } },
});

const client = (use: 'command' | 'blocking' = 'command') => {
  const made = createRedis(server.url, logger, { name: 'spec', use });
  stops.push(() => made.disconnect());
  return made;
};

function makeWriter(inboxBytesMax = 0) {
  const reader = new InboxReader({ redis, keys, batchEntriesMax: 2_000, keepMs: 600_000, inboxBytesMax });
  const feed = new FeedWriter(redis, keys, 2_000);
  return { reader, feed, writer: new StoreWriter(new Committer(pool, new DayPartitions(pool)), reader, feed, new Metrics('spec'), logger) };
}

/** The store role: the writer, its transport and its upkeep. */
function startStore(inboxBytesMax = 0): void {
  const { reader, writer } = makeWriter(inboxBytesMax);
  const transport = new LogTransport({ logger, inbox: { reader, positions: writer, keys, subscriber: client('blocking') } });
  transport.addHandler(INBOX, (batch: InboxBatch) => new StoreController(writer).commit(batch), true);
  transport.listen(() => undefined);
  const upkeep = startLoop({ name: 'inbox trimming', everyMs: UPKEEP_MS, logger }, () => writer.upkeep());
  stops.push(() => Promise.all([transport.close(), upkeep.stop()]));
}

function startProducer(options: { inboxBytesMax?: number; retainBytesMax?: number } = {}): InboxProducer {
  const warn = (fields: object, message: string) => void logged.push(`${message} ${String((fields as { status?: string }).status ?? '')}`);
  const producer = new InboxProducer({
    redis,
    keys,
    run: randomUUID(),
    flushMs: 5,
    retainBytesMax: options.retainBytesMax ?? 50_000_000,
    inboxBytesMax: options.inboxBytesMax ?? 0,
    logger: { ...logger, warn },
    onRefused: () => undefined,
  });
  producer.start();
  stops.push(() => producer.stop());
  return producer;
}

const stored = async () => Number((await pool.query<{ count: string }>('select count(*) from events')).rows[0]?.count);

beforeEach(async () => {
  server = await startRedis({ appendonly: 'no' });
  database = await createDatabase();
  await migrate(database.url);
  pool = createPool(database.url, logger, { name: 'spec', max: 5 });
  keys = new LogKeys(`t-${randomUUID().slice(0, 8)}`, 1);
  logged = [];
  redis = client();
  await waitFor(() => redis.status === 'ready');
  await redis.hset(keys.leases(0), 'cr_a', '1 worker 9999999999999');
});
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
  await pool.end();
  await database.drop();
  await server.remove();
});

describe('trimming', () => {
  it('follows the flow: the inbox takes several times its bound within one upkeep, as long as the store keeps up', async () => {
    const inboxBytesMax = 4_000_000;
    const total = 14_000;
    startStore(inboxBytesMax);
    const producer = startProducer({ inboxBytesMax, retainBytesMax: 1_500_000 });
    for (let n = 1; n <= total; n += 1) {
      producer.append(draft(n), '1');
      // 5,000 a second at most, and no more than the store keeps up with
      if (n % 200 === 0) await delay(40);
      await waitFor(() => n - producer.stats().confirmed < 500, { everyMs: 2 });
    }
    expect(await producer.confirmed(AbortSignal.timeout(10_000))).toBe(true);
    expect(logged).toEqual([]);
    expect(producer.stats().turnedAway).toBe(0);
    expect(await stored()).toBe(total);
  });
});

describe('a Redis that is out of memory', () => {
  it('is freed by the store, which needs none for that, and takes events again', async () => {
    await disagreementOnPartitions(redis, keys);
    const producer = startProducer();
    for (let n = 1; n <= 4_000; n += 1) producer.append(draft(n), '1');
    expect(await producer.drain(AbortSignal.timeout(10_000))).toBe(true);
    // Others fill it up.
    await redis.config('SET', 'maxmemory', 16_000_000);
    for (let isFull = false; !isFull;) {
      isFull = await redis.set(`other:${randomUUID()}`, 'x'.repeat(20_000)).then(
        () => false,
        () => true,
      );
    }
    for (let n = 4_001; n <= 4_500; n += 1) producer.append(draft(n), '1');
    expect(await disagreementOnPartitions(redis, keys)).toBeUndefined();
    startStore();
    expect(await producer.confirmed(AbortSignal.timeout(20_000))).toBe(true);
    expect(await stored()).toBe(4_500);
  });

  it('is told what is stored even while it refuses all else', async () => {
    const producer = startProducer();
    for (let n = 1; n <= 100; n += 1) producer.append(draft(n), '1');
    await producer.drain(AbortSignal.timeout(5_000));
    await redis.config('SET', 'maxmemory', 1);
    await expect(redis.set('other', 'x')).rejects.toThrow('OOM');
    startStore();
    expect(await producer.confirmed(AbortSignal.timeout(5_000))).toBe(true);
  });
});

describe('a Redis that refuses writes for a time', () => {
  it('holds no commit up, and learns of every run in the end', async () => {
    const silent = startProducer();
    silent.append(draft(1), '1');
    await silent.drain(AbortSignal.timeout(5_000));
    await redis.config('SET', 'min-replicas-to-write', 1);
    const { writer, reader } = makeWriter();
    const positions = await writer.load();
    expect(await writer.commit(await reader.read(positions))).toBe(true);
    await expect(writer.upkeep()).rejects.toThrow('NOREPLICAS');
    await redis.config('SET', 'min-replicas-to-write', 0);
    const other = startProducer();
    for (let n = 2; n <= 5_000; n += 1) other.append(draft(n), '1');
    await other.drain(AbortSignal.timeout(10_000));
    for (let i = 0; i < 3; i += 1) expect(await writer.commit(await reader.read(writer.head!.positions))).toBe(true);
    await writer.upkeep();
    expect(await silent.confirmed(AbortSignal.timeout(5_000))).toBe(true);
  });
});

describe('two writers', () => {
  it('that race cost the one that loses a read: it confirms nothing again', async () => {
    const producer = startProducer();
    const [first, second] = [makeWriter(), makeWriter()];
    await first.writer.load();
    const positions = await second.writer.load();
    producer.append(draft(1), '1');
    await producer.drain(AbortSignal.timeout(5_000));
    const batch = await first.reader.read(positions);
    const reconfirm = jest.spyOn(second.reader, 'reconfirm');
    expect(await first.writer.commit(batch)).toBe(true);
    expect(await second.writer.commit(batch)).toBe(false);
    expect((await second.reader.read(await second.writer.load())).entries).toEqual([]);
    expect(reconfirm).not.toHaveBeenCalled();
  });
});

describe('the feed', () => {
  it('is trimmed as it grows, by what it really takes', async () => {
    await redis.config('SET', 'maxmemory', 16_000_000);
    const { feed } = makeWriter();
    for (let seq = 1; seq <= 400; seq += 1) {
      const size = seq < 200 ? 500 : 40_000;
      await feed.publish({ generation: 1, after: seq - 1, to: seq }, JSON.stringify(['x'.repeat(size)]));
      await feed.trim();
    }
    expect(Number(await redis.memory('USAGE', keys.feed, 'SAMPLES', 0))).toBeLessThan(2_500_000);
  });
});
