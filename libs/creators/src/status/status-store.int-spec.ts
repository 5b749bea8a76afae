import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { testServers } from '@tributary/testing';
import { Redis } from 'ioredis';
import { type CreatorStatus, emptyCounters } from '../types.js';
import { StatusStore } from './status-store.js';

let redis: Redis;
let prefix: string;

beforeAll(() => {
  redis = new Redis(testServers().redisUrl);
});
beforeEach(() => {
  prefix = `creators-${randomUUID().slice(0, 8)}`;
});
afterAll(() => redis.disconnect());

describe('StatusStore', () => {
  const status = (viewers: number): CreatorStatus => ({ state: 'live', since: 1, viewers, counters: emptyCounters() });

  it('answers in the order of the question, undefined for a creator without a status', async () => {
    const store = new StatusStore({ redis, prefix });
    await store.publish(
      new Map([
        ['a', status(1)],
        ['b', status(2)],
      ]),
    );
    await store.publish(new Map([['b', status(3)]]));
    await store.publish(new Map());
    expect(await store.readMany(['b', 'x', 'a'])).toEqual([status(3), undefined, status(1)]);
    await store.remove(['a']);
    expect(await store.readMany(['a'])).toEqual([undefined]);
    expect(await store.readMany([])).toEqual([]);
  });
});
