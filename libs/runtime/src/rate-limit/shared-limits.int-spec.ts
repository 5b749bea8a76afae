import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { testServers, waitFor } from '@tributary/testing';
import type { Redis } from 'ioredis';
import type { Logger } from '../process/logging.js';
import { createRedis, waitForRedis } from '../redis/redis.js';
import { Peers } from './peers.js';
import { OptionalRedis } from '../redis/optional-redis.js';
import { SharedBuckets } from './shared-buckets.js';
import { SharedSlots } from './shared-slots.js';

const quiet = { trace() {}, debug() {}, info() {}, warn() {}, error() {} } as unknown as Logger;
const MINUTE = 60_000;

/** One process: its own client, which can lose Redis, and what is built on it. */
class Process {
  private away = false;
  commands = 0;
  readonly peers: Peers;
  readonly buckets: SharedBuckets;
  readonly slots: SharedSlots;

  constructor(redis: Redis, prefix: string) {
    const through = new Proxy(redis, {
      get: (target, name: keyof Redis) => {
        const value: unknown = target[name];
        if (typeof value !== 'function') return value;
        return (...args: unknown[]) => {
          this.commands += 1;
          return this.away ? Promise.reject(new Error('gone')) : (value as (...all: unknown[]) => unknown).apply(target, args);
        };
      },
    });
    // A busy machine must not pass for a Redis that is away.
    const optionalRedis = new OptionalRedis(through, quiet, '', 20_000);
    this.peers = new Peers(optionalRedis, prefix, 'api');
    this.buckets = new SharedBuckets(optionalRedis, this.peers, prefix);
    this.slots = new SharedSlots(optionalRedis, this.peers, prefix);
  }

  lose(isAway = true): void {
    this.away = isAway;
  }
}

describe('limits that processes share', () => {
  let redis: Redis;
  let prefix: string;
  let one: Process;
  let other: Process;
  beforeAll(async () => {
    redis = createRedis(testServers().redisUrl, quiet, { name: 'shared-limits' });
    await waitForRedis(redis, quiet);
  });
  beforeEach(() => {
    prefix = `limits-${randomUUID().slice(0, 8)}`;
    [one, other] = [new Process(redis, prefix), new Process(redis, prefix)];
  });
  afterAll(() => redis.disconnect());

  describe('token buckets', () => {
    const plan = { limit: 30, periodMs: 10 * MINUTE };

    it('give exactly as many tokens as one holds, whichever processes ask, and come back evenly', async () => {
      const verdicts = await Promise.all(Array.from({ length: 100 }, (_, i) => (i % 3 ? one : other).buckets.take('key', plan)));
      expect(verdicts.filter(({ allowed }) => allowed)).toHaveLength(30);
      const refused = await one.buckets.take('key', plan);
      expect(refused).toMatchObject({ allowed: false, limit: 30, remaining: 0 });
      // One token comes back in 20 s.
      expect(refused.retryMs).toBeGreaterThan(15_000);
      expect(refused.retryMs).toBeLessThanOrEqual(20_000);
      const quick = { limit: 10, periodMs: 1_000 };
      await Promise.all(Array.from({ length: 10 }, () => one.buckets.take('quick', quick)));
      await waitFor(async () => (await other.buckets.take('quick', quick)).allowed, { what: 'a token that came back' });
    });

    it('say what is left, count each name by itself, and leave no key behind that does not expire', async () => {
      const first = await one.buckets.take('key', plan);
      expect(first).toEqual({ allowed: true, limit: 30, remaining: 29, resetMs: 20_000, retryMs: 0 });
      expect((await other.buckets.take('key', plan)).remaining).toBe(28);
      expect((await one.buckets.take('another', plan)).remaining).toBe(29);
      for (const key of await redis.keys(`${prefix}*`)) expect(await redis.pttl(key)).toBeGreaterThan(0);
    });

    it('do not bother Redis with a bucket that is known to be empty', async () => {
      await Promise.all(Array.from({ length: 31 }, () => one.buckets.take('key', plan)));
      const before = one.commands;
      for (let i = 0; i < 1_000; i++) expect((await one.buckets.take('key', plan)).allowed).toBe(false);
      expect(one.commands - before).toBe(0);
    });

    it('give each process its share while Redis is away, and all of it again afterwards', async () => {
      await Promise.all([one.peers.beat(), other.peers.beat()]);
      await one.peers.beat();
      expect(one.peers.count).toBe(2);
      for (const process of [one, other]) process.lose();
      const verdicts = await Promise.all(Array.from({ length: 100 }, (_, i) => (i % 2 ? one : other).buckets.take('key', plan)));
      expect(verdicts.filter(({ allowed }) => allowed)).toHaveLength(30);
      for (const process of [one, other]) process.lose(false);
      expect(await one.buckets.take('key', plan)).toMatchObject({ allowed: true, remaining: 29 });
    });
  });

  describe('slots', () => {
    it('are as many as there may be over all processes, and come back with each that is given back', async () => {
      const taken = await Promise.all(Array.from({ length: 12 }, (_, i) => (i % 2 ? one : other).slots.take('streams-key', 5)));
      const held = taken.filter((release) => release !== undefined);
      expect(held).toHaveLength(5);
      expect(one.slots.countOf('streams-key') + other.slots.countOf('streams-key')).toBe(5);
      held[0]!();
      held[0]!();
      await waitFor(async () => (await redis.zcard(`${prefix}:{slots-streams-key}`)) === 4);
      const again = await Promise.all([one.slots.take('streams-key', 5), other.slots.take('streams-key', 5)]);
      expect(again.filter((release) => release !== undefined)).toHaveLength(1);
      expect(await one.slots.take('streams-another', 5)).toBeDefined();
    });

    it('of a process that died are free after a while, and those of one that lives are held, also after a wipe of Redis', async () => {
      expect(await one.slots.take('key', 2)).toBeDefined();
      expect(await other.slots.take('key', 2)).toBeDefined();
      const key = `${prefix}:{slots-key}`;
      const [dead] = await redis.zrange(key, '0', '0');
      await redis.zadd(key, '1', dead!);
      await other.slots.renew();
      await redis.zadd(key, '1', dead!);
      expect(await other.slots.take('key', 2)).toBeDefined();
      expect(await other.slots.take('key', 2)).toBeUndefined();
      await redis.del(key);
      await other.slots.renew();
      expect(await redis.zcard(key)).toBe(2);
    });

    it('are shared out while Redis is away', async () => {
      await Promise.all([one.peers.beat(), other.peers.beat()]);
      await one.peers.beat();
      one.lose();
      const taken = [];
      for (let i = 0; i < 6; i++) taken.push(await one.slots.take('key', 4));
      expect(taken.filter((release) => release !== undefined)).toHaveLength(2);
    });
  });

  it('processes that have gone are not counted', async () => {
    await Promise.all([one.peers.beat(), other.peers.beat()]);
    const key = `${prefix}:peers:api`;
    const [oldest] = await redis.zrange(key, '0', '0');
    await redis.zadd(key, '1', oldest!);
    const third = new Process(redis, prefix);
    await third.peers.beat();
    expect(third.peers.count).toBe(2);
    expect([third.peers.share(10), third.peers.share(1)]).toEqual([5, 1]);
  });
});
