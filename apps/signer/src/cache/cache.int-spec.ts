import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createRedis, type Logger, OptionalRedis, waitForRedis } from '@tributary/runtime';
import { startRedis, type SuiteServer, testServers, waitFor } from '@tributary/testing';
import type { Redis } from 'ioredis';
import { randomUUID } from 'node:crypto';
import { Cache, type Loaded } from './cache.js';
import type { CacheKind } from './kinds.js';
import { SharedLevel } from './shared.js';

const warned: string[] = [];
const quiet = {
  trace() {},
  debug() {},
  info() {},
  error() {},
  warn: (_: object, text: string) => void warned.push(text),
} as unknown as Logger;
const kind: CacheKind<string> = { name: 'thing', freshMs: () => 1_000, staleMs: 60_000, entriesMax: 5 };
const never = new AbortController().signal;

describe('Cache', () => {
  let redis: Redis;
  let prefix: string;
  let now: number;
  let counts: string[];
  const cacheOf = (client = redis, options: { entriesMax?: number; bytesMax?: number; lockMs?: number } = {}) =>
    new Cache({
      shared: new SharedLevel(new OptionalRedis(client, quiet), prefix),
      memory: { entriesMax: options.entriesMax ?? 100, bytesMax: options.bytesMax ?? 1_000_000 },
      lockMs: options.lockMs ?? 2_000,
      count: (name, from) => void counts.push(`${name} ${from}`),
      now: () => now,
    });
  /** A load that counts its calls and ends when it is told to. */
  const scripted = () => {
    const script = {
      calls: 0,
      signals: [] as AbortSignal[],
      finish: [] as ((result: Loaded<string, string>) => void)[],
      load: (signal: AbortSignal): Promise<Loaded<string, string>> => {
        script.calls += 1;
        script.signals.push(signal);
        return new Promise((resolve) => script.finish.push(resolve));
      },
    };
    return script;
  };
  const give = (value: string) => () => Promise.resolve({ ok: true as const, value });
  const fail = () => Promise.resolve({ ok: false as const, failure: 'broken' });

  beforeAll(async () => {
    redis = createRedis(testServers().redisUrl, quiet, { name: 'cache-test' });
    await waitForRedis(redis, quiet);
  });
  beforeEach(() => {
    prefix = `cache-${randomUUID()}`;
    now = Date.now();
    counts = [];
  });
  afterEach(async () => {
    const keys = await redis.keys(`${prefix}*`);
    if (keys.length > 0) await redis.del(keys);
  });
  afterAll(() => redis.disconnect());

  it('makes one load of a thousand equal requests, and keeps its value', async () => {
    const cache = cacheOf();
    const script = scripted();
    const asked = Array.from({ length: 1_000 }, () => cache.get(kind, 'a', script.load, new AbortController().signal));
    await waitFor(() => script.calls === 1);
    script.finish[0]?.({ ok: true, value: 'one' });
    const answers = await Promise.all(asked);
    expect(new Set(answers.map((answer) => answer.ok && answer.value))).toEqual(new Set(['one']));
    expect(answers.filter(({ from }) => from === 'shared')).toHaveLength(999);
    expect(await cache.get(kind, 'a', script.load, never)).toEqual({ ok: true, value: 'one', from: 'memory' });
    expect(cache.peek(kind, 'a')).toBe('one');
    expect(script.calls).toBe(1);
  });

  it('makes one load over several signers: the others wait for its value', async () => {
    const caches = [cacheOf(), cacheOf(), cacheOf()];
    const script = scripted();
    const asked = caches.map((cache) => cache.get(kind, 'a', script.load, never));
    await waitFor(() => script.calls === 1);
    script.finish[0]?.({ ok: true, value: 'one' });
    expect((await Promise.all(asked)).map((answer) => [answer.ok && answer.value, answer.from]).sort()).toEqual([
      ['one', 'loaded'],
      ['one', 'redis'],
      ['one', 'redis'],
    ]);
    expect(script.calls).toBe(1);
    expect(await redis.keys(`${prefix}:sign:lock:*`)).toEqual([]);
  });

  it('loads for itself when the signer that loads for all has died', async () => {
    await redis.set(`${prefix}:sign:lock:thing:a`, 'a dead signer', 'PX', 60_000);
    const cache = cacheOf(redis, { lockMs: 80 });
    const asked = cache.get(kind, 'a', give('own'), never);
    await waitFor(() => ((now += 10), counts.length > 0), { everyMs: 2 });
    expect(await asked).toEqual({ ok: true, value: 'own', from: 'loaded' });
  });

  it('loads anew when a value is no longer new, and serves the old one while that fails', async () => {
    const cache = cacheOf();
    await cache.get(kind, 'a', give('old'), never);
    now += 1_001;
    expect(cache.peek(kind, 'a')).toBeUndefined();
    expect(await cache.get(kind, 'a', fail, never)).toEqual({ ok: true, value: 'old', from: 'stale' });
    // Another signer, which has never seen the value, finds the old one in Redis.
    expect(await cacheOf().get(kind, 'a', fail, never)).toEqual({ ok: true, value: 'old', from: 'stale' });
    now += 1_001;
    expect(await cache.get(kind, 'a', give('new'), never)).toMatchObject({ value: 'new', from: 'loaded' });
    now += 62_000;
    expect(await cache.get(kind, 'a', fail, never)).toEqual({ ok: false, failure: 'broken', from: 'failed' });
  });

  it('does not ask again and again for what fails while an old value serves', async () => {
    const cache = cacheOf();
    await cache.get(kind, 'a', give('old'), never);
    now += 1_001;
    let loads = 0;
    for (let i = 0; i < 50; i++) await cache.get(kind, 'a', () => ((loads += 1), fail()), never);
    expect(loads).toBe(1);
  });

  it('keeps no failure: the next request loads again', async () => {
    const cache = cacheOf();
    expect(await cache.get(kind, 'a', fail, never)).toMatchObject({ ok: false });
    expect(await cache.get(kind, 'a', give('one'), never)).toMatchObject({ ok: true, from: 'loaded' });
  });

  it('gives a load up when everybody who waited has left, and gives newcomers a load of their own', async () => {
    const cache = cacheOf();
    const script = scripted();
    const clients = [new AbortController(), new AbortController()];
    const asked = clients.map(({ signal }) => cache.get(kind, 'a', script.load, signal));
    await waitFor(() => script.calls === 1);
    clients[0]?.abort();
    expect(script.signals[0]?.aborted).toBe(false);
    clients[1]?.abort();
    expect(script.signals[0]?.aborted).toBe(true);
    const later = cache.get(kind, 'a', script.load, never);
    script.finish[0]?.({ ok: false, failure: 'given up' });
    await Promise.all(asked);
    await waitFor(() => script.calls === 2);
    script.finish[1]?.({ ok: true, value: 'one' });
    expect(await later).toMatchObject({ ok: true, value: 'one' });
  });

  it('takes back what turned out to be bad, in all signers that have not read it', async () => {
    const cache = cacheOf();
    await cache.get(kind, 'a', give('bad'), never);
    await cache.forget(kind, 'a');
    expect(cache.peek(kind, 'a')).toBeUndefined();
    expect(await cacheOf().get(kind, 'a', give('good'), never)).toMatchObject({ value: 'good', from: 'loaded' });
  });

  it('stays within its bounds, in memory by number and bytes, in Redis by number', async () => {
    const cache = cacheOf(redis, { entriesMax: 3, bytesMax: 1_200 });
    for (let i = 0; i < 20; i++) await cache.keep(kind, `k${i}`, `v${i}`);
    expect(cache.size).toEqual({ entries: 2, bytes: 1_000 });
    expect(await redis.hlen(`${prefix}:{sign-thing}:values`)).toBe(5);
    expect(await redis.zcard(`${prefix}:{sign-thing}:expiry`)).toBe(5);
    expect(await redis.pttl(`${prefix}:{sign-thing}:values`)).toBeGreaterThan(0);
    const large = { ...kind, bytes: () => 5_000 };
    await cache.keep(large, 'large', 'x');
    expect(cache.peek(large, 'large')).toBeUndefined();
  });

  it('keeps a local kind out of Redis', async () => {
    const local = { ...kind, name: 'own', local: true };
    const cache = cacheOf();
    await cache.get(local, 'a', give('mine'), never);
    expect(cache.peek(local, 'a')).toBe('mine');
    expect(await redis.keys(`${prefix}*`)).toEqual([]);
  });

  it('ignores a record that another version has written', async () => {
    await redis.hset(`${prefix}:{sign-thing}:values`, 'a', 'not a record', 'b', `${now + 9_000} ${now + 9_000} {`);
    for (const key of ['a', 'b']) expect(await cacheOf().get(kind, key, give('own'), never)).toMatchObject({ from: 'loaded' });
  });
});

describe('Cache without its Redis', () => {
  let server: SuiteServer;
  let redis: Redis;

  beforeAll(async () => {
    server = await startRedis();
    redis = createRedis(server.url, quiet, { name: 'cache-test' });
    await waitForRedis(redis, quiet);
  });
  afterAll(async () => {
    redis.disconnect();
    await server.remove();
  });

  it('goes on by itself while Redis hangs or is gone, says it once, and costs no request its time', async () => {
    const cache = new Cache({
      shared: new SharedLevel(new OptionalRedis(redis, quiet), 'p'),
      memory: { entriesMax: 10, bytesMax: 10_000 },
      lockMs: 20_000,
      count: () => undefined,
    });
    const get = (key: string) =>
      cache.get({ ...kind, freshMs: () => 60_000 }, key, () => Promise.resolve({ ok: true as const, value: key }), never);
    server.sigstop();
    const startedAt = performance.now();
    expect(await get('a')).toMatchObject({ value: 'a', from: 'loaded' });
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    await server.kill9();
    for (const key of ['b', 'c', 'd']) expect(await get(key)).toMatchObject({ value: key });
    expect(await get('b')).toMatchObject({ from: 'memory' });
    expect(warned.filter((text) => text.includes('Redis does not answer'))).toHaveLength(1);
  });
});
