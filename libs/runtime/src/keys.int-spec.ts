import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { hashKey, KeyProjection, type KeyRecord, newKey } from './keys.js';

const url = process.env.TRIBUTARY_TEST_REDIS_URL!;
const prefix = `keys-${randomUUID().slice(0, 8)}`;
let redis: Redis;
/** May do everything but write hashes, as if Redis had no memory left for them. */
let limited: Redis;

beforeAll(async () => {
  redis = new Redis(url);
  await redis.call('ACL', 'SETUSER', prefix, 'on', 'nopass', '~*', '&*', '+@all', '-hset');
  limited = new Redis(url, { username: prefix, password: 'any' });
});
afterAll(async () => {
  limited.disconnect();
  await redis.call('ACL', 'DELUSER', prefix);
  redis.disconnect();
});

describe('KeyProjection', () => {
  it('is unknown, never without keys, after a write that failed half-way', async () => {
    const key = newKey();
    const record: KeyRecord = { id: 'key_1', name: 'one', scopes: ['read'] };
    const projection = new KeyProjection(redis, prefix);
    await projection.write(new Map([[hashKey(key), record]]), '1');
    expect(await projection.lookup(key)).toEqual(record);
    await expect(new KeyProjection(limited, prefix).write(new Map([[hashKey(key), record]]), '2')).rejects.toThrow(/hset/);
    expect(await projection.version()).toBeNull();
    expect(await projection.lookup(key)).toBe('unknown');
  });
});
