import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { EventDraft } from '@tributary/events';
import { createRedis } from '@tributary/runtime';
import { startRedis, type SuiteServer, waitFor } from '@tributary/testing';
import type { Redis } from 'ioredis';
import { LogKeys } from './log-keys.js';
import { InboxProducer } from './producer/inbox-producer.js';
import { InboxReader, type Positions } from './reader/inbox-reader.js';

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
const logger = { ...silent, trace: () => undefined, debug: () => undefined };
/** How far the clock of the first server is ahead of the second's. */
const AHEAD_MS = 700;

let server: SuiteServer;
let redis: Redis;
let keys: LogKeys;
let run: string;
let producer: InboxProducer;

const draft = (n: number): EventDraft => ({
  id: `7000000000000000000-${n}`,
  type: 'tiktok.live.chat',
  creatorId: 'cr_one',
  handle: 'one',
  roomId: '7000000000000000000',
  time: 1_700_000_000_000 + n,
  receivedAt: Date.now(),
  data: { comment: `text ${n}` },
});
const reader = () => new InboxReader({ redis, keys, batchEntriesMax: 1_000, keepMs: 0, inboxBytesMax: 0 });
const numbers = (entries: { fields: Record<string, string> }[]) => entries.map(({ fields }) => Number(fields.n));
const confirmed = async () => Number.parseInt((await redis.hget(keys.stored(0), run)) ?? '0', 10);
const append = async (...all: number[]) => {
  for (const n of all) producer.append(draft(n), '1');
  expect(await producer.drain(AbortSignal.timeout(5_000))).toBe(true);
};

/** What an asynchronous replica has at this moment; the function makes it the primary. */
async function replica(): Promise<() => Promise<void>> {
  const names = await redis.keys(`${keys.prefix}:*`);
  const values = await Promise.all(names.map((name) => redis.dumpBuffer(name)));
  return async () => {
    const gone = await redis.keys(`${keys.prefix}:*`);
    const promotion = redis.multi();
    for (const name of gone) promotion.del(name);
    names.forEach((name, i) => promotion.restore(name, 0, values[i]!, 'REPLACE'));
    await promotion.exec();
  };
}

/** Stores 1 to 10, then reads 11 from a primary whose clock is ahead and that fails: its replica has only 1 to 10. */
async function failOver(): Promise<{ position: Positions; batch: Awaited<ReturnType<InboxReader['read']>> }> {
  await append(1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
  const first = await reader().read({});
  await reader().confirm(first);
  const promote = await replica();
  await redis.xsetid(keys.inbox(0), `${Date.now() + AHEAD_MS}-0`);
  await append(11);
  const batch = await reader().read(first.to);
  expect(numbers(batch.entries)).toEqual([11]);
  await promote();
  return { position: batch.to, batch };
}

beforeAll(async () => {
  server = await startRedis({ appendonly: 'no' });
  redis = createRedis(server.url, logger, { name: 'spec' });
  await waitFor(() => redis.status === 'ready');
});
afterAll(async () => {
  redis.disconnect();
  await server.remove();
});
beforeEach(async () => {
  keys = new LogKeys(`t-${randomUUID().slice(0, 8)}`, 1);
  run = randomUUID();
  await redis.hset(keys.leases(0), 'cr_one', '1 worker 9999999999999');
  const options = {
    redis,
    keys,
    run,
    flushMs: 1,
    retainBytesMax: 10_000_000,
    inboxBytesMax: 0,
    logger: silent,
    onRefused: () => undefined,
  };
  producer = new InboxProducer(options);
  producer.start();
});
afterEach(() => producer.stop());

describe('a replica that is promoted without the newest entries, and whose clock is behind', () => {
  it('loses nothing: entries that it accepts under ids below the position are read, and confirmed only then', async () => {
    const { position } = await failOver();
    const { id } = position[0]!;
    await append(12, 13);
    expect(await redis.xlen(keys.inbox(0))).toBe(13);
    await waitFor(() => Date.now() > Number.parseInt(id, 10) + 1);
    await append(14);
    // Only the last of these comes after the position by its id.
    expect(await redis.xrange(keys.inbox(0), `(${id}`, '+')).toHaveLength(1);
    const batch = await reader().read(position);
    expect(await confirmed()).toBe(10);
    expect(batch.restarted).toEqual([0]);
    expect(numbers(batch.entries)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
    await reader().confirm(batch);
    expect(await confirmed()).toBe(14);
  });

  it('confirms none of its entries by a position of the previous server', async () => {
    const { batch } = await failOver();
    await append(12, 13);
    await reader().confirm(batch);
    await reader().reconfirm(batch.to);
    expect(await confirmed()).toBe(10);
    expect(await reader().lag(batch.to)).toMatchObject({ entries: 13 });
  });

  it('keeps unread entries whose ids are below the position when it is trimmed', async () => {
    const { position } = await failOver();
    await append(12, 13);
    expect(await reader().trim(position)).toBe(0);
    expect(numbers((await reader().read(position)).entries)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
  });

  it('is read again where another entry has the very id of the position', async () => {
    const { position } = await failOver();
    const { id } = position[0]!;
    await append(12);
    const [last] = await redis.xrevrange(keys.inbox(0), '+', '-', 'COUNT', 1);
    await redis.xadd(keys.inbox(0), id, ...last![1].map((text, i, all) => (all[i - 1] === 'call' ? 'another' : text)));
    expect((await reader().read(position)).entries).toHaveLength(13);
  });

  it('goes on from a position that the version before stored without its call', async () => {
    await append(1, 2);
    const { to } = await reader().read({});
    await append(3);
    const { epoch, id } = to[0]!;
    expect(numbers((await reader().read({ 0: { epoch, id } })).entries)).toEqual([3]);
    const other = { 0: { epoch, id: id.replace(/\d+$/, '999') } };
    expect(numbers((await reader().read(other)).entries)).toEqual([1, 2, 3]);
  });
});

describe('confirmation', () => {
  it('reaches every run in the end, however much was stored since Redis refused it, also while entries are unread', async () => {
    await append(1, 2, 3);
    const lost = await reader().read({});
    // Refused here; the store goes on, and this run says nothing more.
    const other = new InboxProducer({
      redis,
      keys,
      run: randomUUID(),
      flushMs: 1,
      retainBytesMax: 10_000_000,
      inboxBytesMax: 0,
      logger: silent,
      onRefused: () => undefined,
    });
    other.start();
    const flood = async () => {
      for (let n = 1; n <= 3_000; n += 1) other.append(draft(1_000 + n), '1');
      await other.drain(AbortSignal.timeout(10_000));
    };
    await flood();
    let at = lost.to;
    for (let unread = true; unread;) {
      await reader().reconfirm(at);
      await flood();
      for (let i = 0; i < 4; i += 1) {
        const batch = await reader().read(at);
        await reader().confirm(batch);
        at = batch.to;
      }
      await reader().reconfirm(at);
      expect((await reader().lag(at)).entries).toBeGreaterThan(0);
      unread = (await confirmed()) < 3;
    }
    expect(await producer.confirmed(AbortSignal.timeout(5_000))).toBe(true);
    await other.stop();
  });
});

describe('the lag of the store', () => {
  it('counts a backlog exactly, at the same cost as without one', async () => {
    await append(1);
    const { to } = await reader().read({});
    expect(await reader().lag(to)).toEqual({ entries: 0, oldestMs: 0 });
    const value = 'x'.repeat(200);
    const appended = `${20_001} ${20_001 * 300} 0`;
    const fill = redis.pipeline();
    for (let n = 2; n <= 20_001; n += 1)
      fill.xadd(keys.inbox(0), '*', 'id', `x-${n}`, 'data', value, 'before', `${n - 1} ${(n - 1) * 300}`);
    await fill.set(keys.appended(0), appended).exec();
    const costs: number[] = [];
    for (let i = 0; i < 5; i += 1) {
      await redis.config('RESETSTAT');
      expect(await reader().lag(to)).toEqual({ entries: 20_000, oldestMs: expect.any(Number) });
      costs.push(Number(/cmdstat_evalsha:[^\n]*usec_per_call=([\d.]+)/.exec(await redis.info('commandstats'))?.[1]));
    }
    expect(Math.min(...costs)).toBeLessThan(1_000);
  });
});
