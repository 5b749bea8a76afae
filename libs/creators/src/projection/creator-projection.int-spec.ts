import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { testServers, waitFor } from '@tributary/testing';
import { Redis } from 'ioredis';
import type { CreatorRecord } from '../types.js';
import { CreatorProjection } from './creator-projection.js';

let redis: Redis;
let prefix: string;

beforeAll(() => {
  redis = new Redis(testServers().redisUrl);
});
beforeEach(() => {
  prefix = `creators-${randomUUID().slice(0, 8)}`;
});
afterAll(() => redis.disconnect());

const creator = (n: number): CreatorRecord => ({
  id: `cr_${n}`,
  uniqueId: `name${n}`,
  paused: n % 2 === 0,
  options: { types: ['tiktok.live.gift'] },
});

describe('CreatorProjection', () => {
  it('gives back every creator as it was written, with its version', async () => {
    const projection = new CreatorProjection({ redis, prefix });
    const creators = Array.from({ length: 1_203 }, (_, n) => creator(n));
    await projection.write(creators, 'v1', new Map());
    const read = await projection.read();
    expect(read?.version).toBe('v1');
    expect(new Map(read?.creators.map((one) => [one.id, one]))).toEqual(new Map(creators.map((one) => [one.id, one])));
    await projection.write([creator(1)], 'v2');
    expect(await projection.read()).toEqual({ version: 'v2', creators: [creator(1)] });
  });

  it('tells "unknown" from "none": a missing version is unknown, an empty registry is not', async () => {
    const projection = new CreatorProjection({ redis, prefix });
    expect(await projection.read()).toBeUndefined();
    await projection.write([], 'v1', new Map());
    expect(await projection.read()).toEqual({ version: 'v1', creators: [] });
    await redis.del(`${prefix}:creators:version`);
    expect(await projection.read()).toBeUndefined();
  });

  it('is unknown, never empty, after a write that failed half-way', async () => {
    await redis.call('ACL', 'SETUSER', prefix, 'on', 'nopass', '~*', '&*', '+@all', '-hset');
    const limited = new Redis(testServers().redisUrl, { username: prefix, password: 'any' });
    await expect(new CreatorProjection({ redis: limited, prefix }).write([creator(1)], 'v1', new Map())).rejects.toThrow(/hset/);
    limited.disconnect();
    await redis.call('ACL', 'DELUSER', prefix);
    expect(await new CreatorProjection({ redis, prefix }).read()).toBeUndefined();
  });

  it('is not written again after a wipe without what the store knows of live creators', async () => {
    const projection = new CreatorProjection({ redis, prefix });
    expect(await projection.write([creator(1)], 'v1')).toBe(false);
    expect(await projection.write([creator(1)], 'v1', new Map([['cr_1', { roomId: '7', at: 1 }]]))).toBe(true);
    expect(await projection.write([creator(1)], 'v2')).toBe(true);
    await redis.del(...(await redis.keys(`${prefix}:*`)));
    expect(await projection.write([creator(1)], 'v3')).toBe(false);
    expect(await projection.version()).toBeNull();
  });

  it('is not in force when Redis was wiped while it was written', async () => {
    const seen = new Map([['cr_1', { roomId: '7', at: 1 }]]);
    await new CreatorProjection({ redis, prefix }).write([creator(1)], 'v1', seen);
    const wiping = redis.duplicate();
    const wipe = `for _, key in ipairs(redis.call('KEYS', ARGV[1] .. ':*')) do redis.call('DEL', key) end`;
    wiping.pipeline = () => redis.pipeline().eval(wipe, 0, prefix);
    const projection = new CreatorProjection({ redis: wiping, prefix });
    expect(await projection.write([creator(1)], 'v2')).toBe(false);
    expect(await projection.write([creator(1)], 'v2', seen)).toBe(false);
    wiping.disconnect();
    expect(await new CreatorProjection({ redis, prefix }).read()).toBeUndefined();
  });

  it('never shows a half-written registry to a reader', async () => {
    const projection = new CreatorProjection({ redis, prefix });
    const other = redis.duplicate();
    const reader = new CreatorProjection({ redis: other, prefix });
    const all = Array.from({ length: 2_000 }, (_, n) => creator(n));
    let isWriting = true;
    let reads = 0;
    const writing = (async () => {
      for (let n = 0; n < 30; n += 1) {
        await projection.write(n % 2 === 0 ? all : all.slice(0, 1_000), String(n), n === 0 ? new Map() : undefined);
        const before = reads;
        await waitFor(() => reads > before, { everyMs: 1, what: 'a read between two writes' });
      }
      isWriting = false;
    })();
    while (isWriting) {
      const read = await reader.read();
      if (!read) continue;
      reads += 1;
      expect(read.creators).toHaveLength(Number(read.version) % 2 === 0 ? 2_000 : 1_000);
    }
    await writing;
    other.disconnect();
    expect(reads).toBeGreaterThanOrEqual(30);
  });
});
