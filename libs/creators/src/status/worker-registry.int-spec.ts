import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { testServers, waitFor } from '@tributary/testing';
import { Redis } from 'ioredis';
import type { WorkerRecord } from '../types.js';
import { WorkerRegistry } from './worker-registry.js';

let redis: Redis;
let prefix: string;

beforeAll(() => {
  redis = new Redis(testServers().redisUrl);
});
beforeEach(() => {
  prefix = `creators-${randomUUID().slice(0, 8)}`;
});
afterAll(() => redis.disconnect());

describe('WorkerRegistry', () => {
  const worker = (name: string): WorkerRecord => ({
    worker: name,
    capacity: 10,
    creators: 3,
    counters: { received: 1, decoded: 1, appended: 1, confirmed: 1 },
    startedAt: 5,
  });

  it('lists living workers with heartbeat ages by the clock of Redis, and removes those silent for three lease times', async () => {
    const registry = new WorkerRegistry({ redis, prefix, leaseTtlMs: 1_000 });
    await registry.heartbeat(worker('b'));
    await registry.heartbeat(worker('a'));
    const [seconds] = await redis.time();
    await redis.hset(`${prefix}:workers`, 'old', `${(Number(seconds) - 60) * 1000} ${JSON.stringify(worker('old'))}`);
    const living = await registry.list();
    expect(living.map(({ worker: name }) => name)).toEqual(['a', 'b']);
    expect(living[0]).toMatchObject(worker('a'));
    expect(living.every(({ beatAgeMs }) => beatAgeMs >= 0 && beatAgeMs < 1_000)).toBe(true);
    expect(await redis.hexists(`${prefix}:workers`, 'old')).toBe(0);
    await registry.leave('a');
    expect((await registry.list()).map(({ worker: name }) => name)).toEqual(['b']);
  });

  it('removes a dead worker within three lease times of watching, even if the clock of a previous Redis server was ahead', async () => {
    const registry = new WorkerRegistry({ redis, prefix, leaseTtlMs: 100 });
    const [seconds] = await redis.time();
    await redis.hset(`${prefix}:workers`, 'dead', `${(Number(seconds) + 3_600) * 1000} ${JSON.stringify(worker('dead'))}`);
    await waitFor(async () => (await registry.list()).every(({ worker: name }) => name !== 'dead'), { timeoutMs: 3_000 });
    expect(await redis.hexists(`${prefix}:workers`, 'dead')).toBe(0);
  });
});
