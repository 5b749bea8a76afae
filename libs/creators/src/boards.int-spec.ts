import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { testServers, waitFor } from '@tributary/testing';
import { Redis } from 'ioredis';
import { StatusBoard, WorkerBoard } from './boards.js';
import { CreatorProjection } from './projection.js';
import { type CreatorRecord, type CreatorStatus, emptyCounters, type WorkerRecord } from './types.js';

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

describe('StatusBoard', () => {
  const status = (viewers: number): CreatorStatus => ({ state: 'live', since: 1, viewers, counters: emptyCounters() });

  it('answers in the order of the question, undefined for what nobody spoke of', async () => {
    const board = new StatusBoard({ redis, prefix });
    await board.publish(
      new Map([
        ['a', status(1)],
        ['b', status(2)],
      ]),
    );
    await board.publish(new Map([['b', status(3)]]));
    await board.publish(new Map());
    expect(await board.readMany(['b', 'x', 'a'])).toEqual([status(3), undefined, status(1)]);
    await board.remove(['a']);
    expect(await board.readMany(['a'])).toEqual([undefined]);
    expect(await board.readMany([])).toEqual([]);
  });
});

describe('WorkerBoard', () => {
  const worker = (name: string): WorkerRecord => ({
    worker: name,
    capacity: 10,
    creators: 3,
    counters: { received: 1, decoded: 1, appended: 1, confirmed: 1 },
    startedAt: 5,
  });

  it('lists who lives, with the age of the heartbeat by the clock of Redis, and forgets who is silent for three lease times', async () => {
    const board = new WorkerBoard({ redis, prefix, leaseTtlMs: 1_000 });
    await board.heartbeat(worker('b'));
    await board.heartbeat(worker('a'));
    const [seconds] = await redis.time();
    await redis.hset(`${prefix}:workers`, 'old', `${(Number(seconds) - 60) * 1000} ${JSON.stringify(worker('old'))}`);
    const living = await board.list();
    expect(living.map(({ worker: name }) => name)).toEqual(['a', 'b']);
    expect(living[0]).toMatchObject(worker('a'));
    expect(living.every(({ beatAgeMs }) => beatAgeMs >= 0 && beatAgeMs < 1_000)).toBe(true);
    expect(await redis.hexists(`${prefix}:workers`, 'old')).toBe(0);
    await board.leave('a');
    expect((await board.list()).map(({ worker: name }) => name)).toEqual(['b']);
  });

  it('takes a dead worker off within three lease times of watching, though a server before this one had a clock that was ahead', async () => {
    const board = new WorkerBoard({ redis, prefix, leaseTtlMs: 100 });
    const [seconds] = await redis.time();
    await redis.hset(`${prefix}:workers`, 'dead', `${(Number(seconds) + 3_600) * 1000} ${JSON.stringify(worker('dead'))}`);
    await waitFor(async () => (await board.list()).every(({ worker: name }) => name !== 'dead'), { timeoutMs: 3_000 });
    expect(await redis.hexists(`${prefix}:workers`, 'dead')).toBe(0);
  });
});
