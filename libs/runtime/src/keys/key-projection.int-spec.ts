import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { KeyProjection } from './key-projection.js';
import { hashKey, type KeyRecord, newKey } from './api-keys.js';

const url = process.env.TRIBUTARY_TEST_REDIS_URL!;
let redis: Redis;
let prefix: string;

beforeAll(() => {
  redis = new Redis(url);
  prefix = `keys-${randomUUID().slice(0, 8)}`;
});
afterAll(() => redis.disconnect());

const record = (id: string, more: Partial<KeyRecord> = {}): KeyRecord => ({ id, name: id, scopes: ['sign'], ...more });
const limited = { restriction: { creators: ['cr_1'] }, handles: ['luna.bakes'] };

/** A client that may do everything but `command`, as if Redis had failed there. */
async function without(command: string): Promise<Redis> {
  await redis.call('ACL', 'SETUSER', prefix, 'reset', 'on', 'nopass', '~*', '&*', '+@all', `-${command}`);
  return new Redis(url, { username: prefix, password: 'any' });
}

describe('KeyProjection', () => {
  it.each([
    ['hset', /hset/],
    ['rename', /EXECABORT/],
  ])('keeps the copy before, whole, when a write fails at %s', async (command, reason) => {
    const [one, two] = [hashKey(newKey()), hashKey(newKey())];
    const projection = new KeyProjection(redis, prefix);
    await projection.write(new Map([[one, record('key_1', { ...limited, expiresAt: 5 })]]), '1-a');
    const hindered = await without(command);
    const write = new KeyProjection(hindered, prefix).write(new Map([[two, record('key_2')]]), '2-b');
    await expect(write.finally(() => hindered.disconnect())).rejects.toThrow(reason);
    await redis.call('ACL', 'DELUSER', prefix);
    expect(await projection.lookup(one)).toEqual({ version: '1-a', record: record('key_1', { ...limited, expiresAt: 5 }) });
    expect(await projection.lookup(two)).toEqual({ version: '1-a', record: undefined });
  });

  it('says that nothing is known, never that there is no key, where there is no copy', async () => {
    const projection = new KeyProjection(redis, `${prefix}-none`);
    expect(await projection.lookup(hashKey(newKey()))).toEqual({ version: null, record: undefined });
    expect(await projection.version()).toBeNull();
  });

  it('gives a version that knows no restriction and no expiry only keys that have none', async () => {
    const projection = new KeyProjection(redis, `${prefix}-former`);
    const [plain, bound, short] = [hashKey('plain'), hashKey('bound'), hashKey('short')];
    const records: [string, KeyRecord][] = [
      [plain, record('key_1')],
      [bound, record('key_2', limited)],
      [short, record('key_3', { expiresAt: Date.now() + 60_000 })],
    ];
    await projection.write(new Map(records), '7-abc');
    expect(await redis.hgetall(`${prefix}-former:keys`)).toEqual({ [plain]: JSON.stringify(record('key_1')) });
    expect(await redis.get(`${prefix}-former:keys:version`)).toBe('7');
  });

  it('leaves nothing behind when it is written again and again', async () => {
    const projection = new KeyProjection(redis, `${prefix}-again`);
    for (let i = 0; i < 3; i++) await projection.write(new Map([[hashKey('a'), record('key_1')]]), `${i}-x`);
    const keys = (await redis.keys(`${prefix}-again:*`)).sort();
    expect(keys).toEqual([`${prefix}-again:keys`, `${prefix}-again:keys:version`, `${prefix}-again:{${prefix}-again:keys}:2`]);
    expect(await redis.pttl(keys[2]!)).toBe(-1);
  });
});
