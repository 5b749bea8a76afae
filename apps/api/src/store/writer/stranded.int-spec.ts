import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { FeedWriter, INBOX, type InboxBatch, InboxProducer, InboxReader, LogKeys, LogTransport } from '@tributary/log';
import { createLogger, createPool, createRedis, Metrics } from '@tributary/runtime';
import { createDatabase, type FaultProxy, startProxy, startRedis, type SuiteServer, waitFor } from '@tributary/testing';
import { Committer } from './committer.js';
import { DayPartitions } from '../retention/days.js';
import { EventStore } from '../event-store.js';
import { migrate } from '../schema/migrate.js';
import { StoreController, StoreWriter } from './writer.js';

/** How long after its peer vanished without a word the store must store again. */
const RECOVERY_MS = 15_000;
const logger = createLogger({ name: 'spec', level: 'silent', format: 'json' });
const CREATOR = 'cr_a';
const seconds = () => BigInt(Math.floor(Date.now() / 1_000)) << 32n;

let server: SuiteServer;
const stops: (() => unknown)[] = [];

beforeAll(async () => {
  server = await startRedis({ appendonly: 'no' });
});
afterAll(() => server.remove());
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await Promise.race([stop(), delay(1_000)]);
});

/** A store role and a producer: one of the store's two databases is behind a proxy. */
async function scene(behind: 'postgres' | 'redis') {
  const database = await createDatabase();
  await migrate(database.url);
  stops.push(() => database.drop());
  const proxy: FaultProxy = await startProxy(behind === 'postgres' ? database.url : server.url);
  stops.push(() => proxy.close());
  const redisUrl = behind === 'redis' ? proxy.url : server.url;
  const databaseUrl = behind === 'postgres' ? proxy.url : database.url;
  const redis = (url: string, name: string, use: 'command' | 'blocking' = 'command') => {
    const client = createRedis(url, logger, { name, use });
    stops.push(() => client.disconnect());
    return client;
  };
  const pool = (url: string, name: string, max: number) => {
    const made = createPool(url, logger, { name, max });
    stops.push(() => made.end());
    return made;
  };
  const keys = new LogKeys(`t-${randomUUID().slice(0, 8)}`, 2);
  const direct = redis(server.url, 'spec');
  const commands = redis(redisUrl, 'api');
  const subscriber = redis(redisUrl, 'wake', 'blocking');
  await waitFor(() => direct.status === 'ready' && commands.status === 'ready');
  await direct.hset(keys.leases(keys.partitionOf(CREATOR)), CREATOR, '1 worker 9999999999999');
  const storePool = pool(databaseUrl, 'store', 3);
  const reader = new InboxReader({ redis: commands, keys, batchEntriesMax: 2_000, keepMs: 600_000, inboxBytesMax: 0 });
  const feed = new FeedWriter(commands, keys, 100);
  const writer = new StoreWriter(new Committer(storePool, new DayPartitions(storePool)), reader, feed, new Metrics('spec'), logger);
  const transport = new LogTransport({ logger, inbox: { reader, positions: writer, keys, subscriber } });
  transport.addHandler(INBOX, (batch: InboxBatch) => new StoreController(writer).commit(batch), true);
  transport.listen(() => undefined);
  stops.push(() => transport.close());
  const producer = new InboxProducer({
    redis: direct,
    keys,
    run: randomUUID(),
    flushMs: 1,
    retainBytesMax: 50_000_000,
    inboxBytesMax: 0,
    logger,
    onRefused: () => undefined,
  });
  producer.start();
  stops.push(() => producer.stop());
  const observer = pool(database.url, 'observer', 2);
  return {
    proxy,
    observer,
    producer,
    subscriber,
    head: async () => (await new EventStore(observer).head()).seq,
    httpPool: () => pool(databaseUrl, 'http', 4),
  };
}

/** Appends an event each 10 ms until it is stopped, which gives the number of events. */
function feedOf(producer: InboxProducer): () => number {
  const roomId = String(seconds() + 77n);
  let sent = 0;
  const timer = setInterval(() => {
    sent += 1;
    const time = Date.now();
    const id = `${roomId}-${seconds() + BigInt(sent)}-${sent}`;
    producer.append({ id, type: 'tiktok.live.chat', creatorId: CREATOR, handle: 'a', roomId, time, receivedAt: time, data: { sent } }, '1');
  }, 10);
  stops.push(() => clearInterval(timer));
  return () => {
    clearInterval(timer);
    return sent;
  };
}

describe.each(['postgres', 'redis'] as const)('connections whose peer vanished without a word: %s', (behind) => {
  it(
    'are replaced within 15 s, and each event is stored once',
    async () => {
      const { proxy, observer, producer, subscriber, head } = await scene(behind);
      const stop = feedOf(producer);
      await waitFor(async () => (await head()) > 100, { what: 'a flow' });
      proxy.strand();
      const at = await head();
      await waitFor(async () => (await head()) > at + 300, { what: 'events to be stored again', timeoutMs: RECOVERY_MS });
      await waitFor(() => subscriber.status === 'ready', { timeoutMs: RECOVERY_MS });
      const sent = stop();
      const stored = async () =>
        (await observer.query<{ all: number; ids: number }>(`select count(*)::int as all, count(distinct id)::int as ids from events`))
          .rows[0];
      await waitFor(async () => (await stored())?.all === sent, { what: `${sent} events to be stored`, timeoutMs: RECOVERY_MS });
      expect(await stored()).toEqual({ all: sent, ids: sent });
    },
    4 * RECOVERY_MS,
  );
});

it('idle connections whose peer vanished are replaced before anybody needs them', async () => {
  const { proxy, httpPool } = await scene('postgres');
  const idle = httpPool();
  await Promise.all(Array.from({ length: 4 }, () => idle.query('select pg_sleep(0.1)')));
  expect(idle.idleCount).toBe(4);
  proxy.strand();
  await waitFor(() => idle.totalCount === 0, { what: 'the idle ones to go', timeoutMs: RECOVERY_MS });
  const began = performance.now();
  expect((await idle.query<{ one: number }>('select 1 as one')).rows).toEqual([{ one: 1 }]);
  expect(performance.now() - began).toBeLessThan(2_000);
});
