import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createRedis, type Logger, OptionalRedis, waitForRedis } from '@tributary/runtime';
import { testServers } from '@tributary/testing';
import type { Redis } from 'ioredis';
import { randomUUID } from 'node:crypto';
import { RateLimits, readKeyLimits, tightest } from './limits.js';

const quiet = { trace() {}, debug() {}, info() {}, warn() {}, error() {} } as unknown as Logger;

describe('RateLimits', () => {
  let redis: Redis;
  let prefix: string;
  let limits: RateLimits;

  beforeAll(async () => {
    redis = createRedis(testServers().redisUrl, quiet, { name: 'limits-test' });
    await waitForRedis(redis, quiet);
  });
  beforeEach(() => {
    prefix = `limits-${randomUUID()}`;
    limits = new RateLimits(new OptionalRedis(redis, quiet), prefix, { count: 1 });
  });
  afterAll(async () => {
    const keys = await redis.keys('limits-*');
    if (keys.length > 0) await redis.del(keys);
    redis.disconnect();
  });
  const PLAN = { minute: 3, hour: 5, day: 0 };

  it('lets exactly as many requests through as the window holds, however many come at once and from whichever signer', async () => {
    const other = new RateLimits(new OptionalRedis(redis, quiet), prefix, { count: 1 });
    const verdicts = await Promise.all(Array.from({ length: 40 }, (_, i) => (i % 2 ? limits : other).take('key', PLAN)));
    expect(verdicts.filter(({ allowed }) => allowed)).toHaveLength(3);
  });

  it('counts each key by itself', async () => {
    for (let i = 0; i < 3; i++) await limits.take('one', PLAN);
    expect((await limits.take('one', PLAN)).allowed).toBe(false);
    expect((await limits.take('two', PLAN)).allowed).toBe(true);
  });

  it('says what is left in each window and when it begins anew, and looking costs nothing', async () => {
    expect((await limits.look('key', PLAN)).windows).toEqual([
      { window: 'minute', max: 3, remaining: 3, resetMs: 0 },
      { window: 'hour', max: 5, remaining: 5, resetMs: 0 },
    ]);
    await limits.take('key', PLAN);
    const { windows } = await limits.look('key', PLAN);
    expect(windows.map(({ remaining }) => remaining)).toEqual([2, 4]);
    expect(windows[0]?.resetMs).toBeGreaterThan(58_000);
    expect(windows[1]?.resetMs).toBeGreaterThan(3_590_000);
  });

  it('does not charge the hour for requests that the minute refuses', async () => {
    for (let i = 0; i < 10; i++) await limits.take('key', PLAN);
    expect((await limits.look('key', PLAN)).windows.map(({ remaining }) => remaining)).toEqual([0, 2]);
    await redis.del(`${prefix}:{sign-limit-key}:minute`);
    for (let i = 0; i < 2; i++) expect((await limits.take('key', PLAN)).allowed).toBe(true);
    const refused = await limits.take('key', PLAN);
    expect([refused.allowed, tightest(refused.windows)?.window]).toEqual([false, 'hour']);
  });

  it('leaves nothing in Redis for a key without limits, and every counter expires', async () => {
    expect(await limits.take('free', { minute: 0, hour: 0, day: 0 })).toEqual({ allowed: true, counted: true, windows: [] });
    expect(await redis.keys(`${prefix}*`)).toEqual([]);
    await limits.take('key', { minute: 1, hour: 1, day: 1 });
    const keys = await redis.keys(`${prefix}*`);
    expect(keys).toHaveLength(3);
    for (const key of keys) expect(await redis.pttl(key)).toBeGreaterThan(0);
  });

  it('gives its share of what was left while Redis is away, and has Redis count it afterwards', async () => {
    let away = false;
    const flaky = {
      evalsha: (...args: unknown[]) =>
        away ? Promise.reject(new Error('gone')) : (redis.evalsha as (...all: unknown[]) => unknown)(...args),
      eval: (...args: unknown[]) => (away ? Promise.reject(new Error('gone')) : (redis.eval as (...all: unknown[]) => unknown)(...args)),
    } as unknown as Redis;
    const one = new RateLimits(new OptionalRedis(flaky, quiet), prefix, { count: 2 });
    const plan = { minute: 0, hour: 10, day: 0 };
    for (let i = 0; i < 2; i++) await one.take('key', plan);
    away = true;
    const verdicts = [];
    for (let i = 0; i < 8; i++) verdicts.push(await one.take('key', plan));
    // 8 were left, and there are two signers.
    expect(verdicts.filter(({ allowed }) => allowed)).toHaveLength(4);
    expect(verdicts.every(({ counted }) => !counted)).toBe(true);
    expect(verdicts.at(-1)!.windows).toEqual([{ window: 'hour', max: 10, remaining: 0, resetMs: expect.any(Number) }]);
    expect((await one.take('stranger', plan)).allowed).toBe(true);
    away = false;
    expect((await one.take('key', plan)).windows[0]!.remaining).toBe(10 - 2 - 4 - 1);
  });

  it('reads the limits of single keys', () => {
    expect(readKeyLimits(['key_1=60/1000/10000'])).toEqual(new Map([['key_1', { minute: 60, hour: 1_000, day: 10_000 }]]));
  });
});
