import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createRedis } from '@tributary/runtime';
import { startRedis, type SuiteServer, waitFor } from '@tributary/testing';
import type { Redis } from 'ioredis';
import { LogKeys } from '../log-keys.js';
import { PartitionQueue } from './partition-queue.js';
import { RunAppender } from './run-appender.js';

const silent = { trace: () => undefined, debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

let server: SuiteServer;
let redis: Redis;
let keys: LogKeys;
let queue: PartitionQueue;
let refused: string[];
let taken: number;

beforeAll(async () => {
  server = await startRedis({ appendonly: 'no' });
  redis = createRedis(server.url, silent, { name: 'spec' });
  await waitFor(() => redis.status === 'ready');
});
afterAll(async () => {
  redis.disconnect();
  await server.remove();
});
beforeEach(() => {
  keys = new LogKeys(`t-${randomUUID().slice(0, 8)}`, 1);
  queue = new PartitionQueue();
  refused = [];
  taken = 0;
});

const makeAppender = (noLeaseMsMax = 500) =>
  new RunAppender({
    redis,
    keys,
    run: 'run',
    inboxBytesMax: 0,
    queues: [queue],
    logger: silent,
    noLeaseMsMax,
    onRefused: ({ id }) => refused.push(id),
    onFreed: () => undefined,
    onTaken: () => (taken += 1),
  });
const put = (appender: RunAppender, n: number, fence: string) => {
  const args = ['cr_1', fence, '', `id-${n}`, 'tiktok.live.chat', 'h', 'r', '1', '1', '{}', ''];
  queue.items.push({ takenAt: Date.now(), bytes: 100, args });
  appender.flush();
};
const sent = (n: number) => waitFor(() => queue.sent === n, { what: `event ${n} to be judged` });
const hold = (fence: string) => redis.hset(keys.leases(0), 'cr_1', `${fence} worker 9999999999999`);

describe('a creator whose lease was missing for too long', () => {
  it('is accepted again when a worker holds it under a new fence', async () => {
    const appender = makeAppender();
    put(appender, 1, '1000');
    await sent(1);
    await hold('2000');
    for (let n = 2; n <= 51; n += 1) put(appender, n, '2000');
    await sent(51);
    appender.stop();
    expect(refused).toEqual(['id-1']);
    expect(await redis.xlen(keys.inbox(0))).toBe(50);
    expect(appender.counts).toMatchObject({ refused: 1, abandoned: 1 });
  });

  it('is accepted again when its own lease comes back, and delays no other creator until then', async () => {
    const appender = makeAppender(2_000);
    put(appender, 1, '1000');
    await sent(1);
    const startedAt = performance.now();
    put(appender, 2, '1000');
    await sent(2);
    expect(performance.now() - startedAt).toBeLessThan(1_900);
    await hold('1000');
    let n = 2;
    await waitFor(
      async () => {
        put(appender, (n += 1), '1000');
        await sent(n);
        return (await redis.xlen(keys.inbox(0))) > 0;
      },
      { everyMs: 200, what: 'its events to be taken' },
    );
    appender.stop();
    expect(refused.slice(0, 2)).toEqual(['id-1', 'id-2']);
  });
});

describe('a run that another process replays', () => {
  it('can append nothing more, and gets the reason', async () => {
    await hold('1000');
    const appender = makeAppender();
    put(appender, 1, '1000');
    await sent(1);
    await redis.set(keys.taker(0, 'run'), 'another');
    put(appender, 2, '1000');
    await waitFor(() => taken > 0);
    appender.stop();
    expect(queue.sent).toBe(1);
    expect(await redis.xlen(keys.inbox(0))).toBe(1);
  });
});
