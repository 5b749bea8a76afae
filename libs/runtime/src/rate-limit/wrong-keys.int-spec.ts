import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { testServers, waitFor } from '@tributary/testing';
import type { Redis } from 'ioredis';
import { Registry } from 'prom-client';
import { hashKey } from '../keys/api-keys.js';
import type { Logger } from '../process/logging.js';
import { createRedis, waitForRedis } from '../redis/redis.js';
import { addressOf } from './address.js';
import { Peers } from './peers.js';
import { OptionalRedis } from '../redis/optional-redis.js';
import { WrongKeys } from './wrong-keys.js';

const quiet = { trace() {}, debug() {}, info() {}, warn() {}, error() {} } as unknown as Logger;
const guess = (n: number) => hashKey(`trib_guess${n}`);

describe('wrong keys', () => {
  let redis: Redis;
  let prefix: string;
  // It answers in a later turn, as a server does: thousands of calls must not starve the connections of this process.
  const refuse = () => new Promise((_resolve, reject) => setImmediate(() => reject(new Error('gone'))));
  const gone = { evalsha: refuse, exists: refuse } as unknown as Redis;
  const processOf = (client: Redis, perMinute = 20, now?: () => number) => {
    // A busy machine must not pass for a Redis that is away.
    const optionalRedis = new OptionalRedis(client, quiet, '', 20_000);
    const registry = new Registry();
    const warned: object[] = [];
    const wrong = new WrongKeys({
      optionalRedis,
      peers: new Peers(optionalRedis, prefix, 'api'),
      prefix,
      perMinute,
      ...(now ? { now } : {}),
      registry,
      logger: { warn: (fields: object) => void warned.push(fields) },
    });
    return { wrong, registry, warned };
  };
  beforeAll(async () => {
    redis = createRedis(testServers().redisUrl, quiet, { name: 'wrong-keys' });
    await waitForRedis(redis, quiet);
  });
  beforeEach(async () => {
    await waitForRedis(redis, quiet);
    prefix = `wrong-${randomUUID().slice(0, 8)}`;
  });
  afterAll(() => redis.disconnect());

  it('are slowed by address over all processes, and counted', async () => {
    const [one, other] = [processOf(redis), processOf(redis)];
    const waits = await Promise.all(Array.from({ length: 500 }, (_, n) => (n % 2 ? one : other).wrong.charge('203.0.113.7', guess(n))));
    expect(waits.filter((ms) => ms === 0)).toHaveLength(20);
    // One more comes back each 3 s.
    expect(Math.max(...waits)).toBeLessThanOrEqual(3_000);
    expect(one.wrong.waitMs('203.0.113.7')).toBeGreaterThan(0);
    const counted = await Promise.all([one, other].map(({ registry }) => registry.getSingleMetric('tributary_wrong_keys_total')!.get()));
    const total = (result: string) =>
      counted.flatMap(({ values }) => values).reduce((sum, { labels, value }) => sum + (labels.result === result ? value : 0), 0);
    expect([total('refused'), total('slowed')]).toEqual([20, 480]);
    expect(one.warned).toEqual([{ address: '203.0.113.7' }]);
  });

  it('of one address concern no other, and no key that was used from there before, in whichever process', async () => {
    const [one, other] = [processOf(redis), processOf(redis)];
    expect(await one.wrong.admit('203.0.113.7', 'key_old')).toBe(0);
    await waitFor(async () => (await redis.zcard(`${prefix}:{used-key-key_old}`)) === 1);
    for (const { wrong } of [one, other]) await Promise.all(Array.from({ length: 100 }, (_, n) => wrong.charge('203.0.113.7', guess(n))));
    for (const { wrong } of [one, other]) {
      expect(await wrong.admit('203.0.113.7', 'key_old')).toBe(0);
      expect(await wrong.admit('203.0.113.7', 'key_new')).toBeGreaterThan(0);
      expect(await wrong.admit('203.0.113.8', 'key_new')).toBe(0);
      expect(await wrong.charge('203.0.113.8', guess(1))).toBe(0);
    }
  });

  it('that come again and again are a client with an old key: it does not use up what its address may try', async () => {
    const { wrong } = processOf(redis);
    const waits = [];
    for (let i = 0; i < 210; i++) waits.push(await wrong.charge('203.0.113.7', guess(1)));
    expect(waits.slice(0, 190).every((ms) => ms === 0)).toBe(true);
    expect(waits.at(-1)).toBeGreaterThan(0);
    expect(wrong.waitMs('203.0.113.7')).toBe(0);
    expect(await wrong.charge('203.0.113.7', guess(2))).toBe(0);
    expect(await wrong.admit('203.0.113.7', 'key_new')).toBe(0);
  });

  it('are slowed by each process alone while Redis is away, in bounded memory', async () => {
    const { wrong } = processOf(gone);
    const waits = [];
    for (let n = 0; n < 100; n++) waits.push(await wrong.charge('203.0.113.7', guess(n)));
    expect(waits.filter((ms) => ms === 0)).toHaveLength(20);
    expect(await wrong.charge('203.0.113.8', guess(1))).toBe(0);
    expect(await wrong.admit('203.0.113.7', 'key_new')).toBeGreaterThan(0);
    const addressNo = (n: number) => `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`;
    for (let n = 0; n < 25_000; n += 500)
      await Promise.all(Array.from({ length: 500 }, (_, i) => wrong.charge(addressNo(n + i), guess(n + i))));
    const sizes = Object.values(wrong as unknown as Record<string, unknown>).map((part) => (part instanceof Map ? part.size : 0));
    expect(Math.max(...sizes)).toBeLessThanOrEqual(10_000);
  });

  it('of one network of an IPv6 customer are those of one address, however many addresses it takes', async () => {
    const [one, other] = [processOf(redis), processOf(redis)];
    const from = (n: number) => `2001:db8:1:2:${((n * 7919) & 0xffff).toString(16)}::${n.toString(16)}`;
    const waits = await Promise.all(Array.from({ length: 200 }, (_, n) => (n % 2 ? one : other).wrong.charge(from(n), guess(n))));
    expect(waits.filter((ms) => ms === 0)).toHaveLength(20);
    expect(await one.wrong.charge('2001:db8:1:3::1', guess(1))).toBe(0);
    expect(await redis.keys(`${prefix}:{wrong-key-2001:db8:1:2::/64}`)).toHaveLength(1);
  });

  it('of whoever has very many addresses take a bounded place in Redis and in the process', async () => {
    const { wrong } = processOf(redis);
    for (let n = 0; n < 22_000; n += 500)
      await Promise.all(Array.from({ length: 500 }, (_, i) => wrong.charge(`2001:db8:${(n + i).toString(16)}::1`, guess(n + i))));
    const recorded = (await redis.keys(`${prefix}:{wrong-key-*}:*`)).length;
    expect([recorded > 1_000, recorded <= 20_000]).toEqual([true, true]);
    const sizes = Object.values(wrong as unknown as Record<string, unknown>).map((part) => (part instanceof Map ? part.size : 0));
    expect(Math.max(...sizes)).toBeLessThanOrEqual(10_000);
    // The process goes on by itself.
    const waits = [];
    for (let n = 0; n < 100; n++) waits.push(await wrong.charge('203.0.113.7', guess(n)));
    expect(waits.filter((ms) => ms === 0)).toHaveLength(20);
  });

  it('never drive out what is known of the keys in use: each is known from the 200 addresses that used it last', async () => {
    const { wrong } = processOf(redis);
    const known = `${prefix}:{used-key-key_shared}`;
    const [first, last] = ['203.0.113.1', '203.0.114.199'];
    await wrong.admit(first, 'key_shared');
    await waitFor(async () => (await redis.zcard(known)) === 1);
    for (let n = 0; n < 200; n++) await wrong.admit(`203.0.114.${n}`, 'key_shared');
    await waitFor(async () => (await redis.zscore(known, last)) !== null);
    expect(await redis.zcard(known)).toBe(200);
    const other = processOf(redis).wrong;
    for (const address of [first, last]) for (let n = 0; n < 30; n++) await other.charge(address, guess(n));
    expect(await other.admit(last, 'key_shared')).toBe(0);
    expect(await other.admit(first, 'key_shared')).toBeGreaterThan(0);
  });

  it('let a key be noted again soon where Redis did not take it, and not for an hour where it did', async () => {
    let now = Date.now();
    let isAway = true;
    let notes = 0;
    const flaky = {
      evalsha: (...args: unknown[]) => {
        notes += 1;
        return isAway ? Promise.reject(new Error('gone')) : (redis.evalsha as (...all: unknown[]) => unknown)(...args);
      },
      eval: (...args: unknown[]) => (redis.eval as (...all: unknown[]) => unknown)(...args),
    } as unknown as Redis;
    const { wrong } = processOf(flaky, 20, () => now);
    const ask = async () => {
      expect(await wrong.admit('203.0.113.7', 'key')).toBe(0);
      await new Promise((resolve) => setImmediate(resolve));
      return notes;
    };
    expect([await ask(), await ask()]).toEqual([1, 1]);
    now += 10_001;
    isAway = false;
    expect(await ask()).toBe(2);
    await waitFor(async () => (await redis.zcard(`${prefix}:{used-key-key}`)) === 1);
    now += 3_000_000;
    expect(await ask()).toBe(2);
    now += 1_000_000;
    expect(await ask()).toBe(3);
  });

  it('are not slowed where the limit is 0, and leave nothing in Redis that does not expire', async () => {
    const free = processOf(redis, 0);
    for (let n = 0; n < 100; n++) expect(await free.wrong.charge('203.0.113.7', guess(n))).toBe(0);
    const { wrong } = processOf(redis);
    for (let n = 0; n < 30; n++) await wrong.charge('2001:db8::1', guess(n));
    await wrong.admit('198.51.100.1', 'key');
    await waitFor(async () => (await redis.keys(`${prefix}*used*`)).length === 1);
    const keys = await redis.keys(`${prefix}*`);
    expect(keys.length).toBeGreaterThan(20);
    for (const key of keys) expect(await redis.pttl(key)).toBeGreaterThan(0);
  });
});

describe('an address', () => {
  it('is an IPv4 address, also where it is written as IPv6, and the /64 of an IPv6 address', () => {
    expect(['203.0.113.7', '::ffff:203.0.113.7', '::FFFF:203.0.113.7'].map(addressOf)).toEqual(Array(3).fill('203.0.113.7'));
    const same = ['2001:db8:1:2::1', '2001:0DB8:0001:0002:ffff::', '2001:db8:1:2:3:4:5:6', '2001:db8:1:2::1%eth0'];
    expect(new Set(same.map(addressOf))).toEqual(new Set(['2001:db8:1:2::/64']));
    expect(addressOf('2001:db8:1:3::1')).toBe('2001:db8:1:3::/64');
    expect([addressOf('::1'), addressOf('fe80::1')]).toEqual(['0:0:0:0::/64', 'fe80:0:0:0::/64']);
  });
});
