import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { testServers, waitFor } from '@tributary/testing';
import { Redis } from 'ioredis';
import { purgeRemovedCreators } from '../leases/purge-removed.js';
import { type LeaseKeys, LeaseManager } from '../leases/lease-manager.js';
import { HandoverOffers } from './handover-offers.js';

const TTL_MS = 2_000;
const silent = { info: () => undefined, warn: () => undefined };

let redis: Redis;
let subscriber: Redis;
const managers: LeaseManager[] = [];

beforeAll(() => {
  redis = new Redis(testServers().redisUrl);
  subscriber = new Redis(testServers().redisUrl);
});

afterEach(async () => {
  await Promise.all(managers.splice(0).map((manager) => manager.stop()));
});

afterAll(() => {
  redis.disconnect();
  subscriber.disconnect();
});

function keysOf(): LeaseKeys {
  const prefix = `offers-${randomUUID().slice(0, 8)}`;
  const of = (name: string) => (partition: number) => `${prefix}:{${partition}}:${name}`;
  const partitionOf = (id: string) => id.charCodeAt(id.length - 1) % 2;
  return { partitions: 2, partitionOf, leases: of('leases'), handoverState: of('carry'), last: of('last') };
}

interface Worker {
  leases: LeaseManager;
  board: HandoverOffers;
  lost: string[];
}

async function workerOf(keys: LeaseKeys, name: string): Promise<Worker> {
  const lost: string[] = [];
  const leases = new LeaseManager({
    redis,
    keys,
    worker: name,
    ttlMs: TTL_MS,
    logger: silent,
    onLost: ({ creatorId }) => lost.push(creatorId),
  });
  managers.push(leases);
  leases.start();
  await waitFor(() => leases.stats().silentPartitions === 0);
  const board = new HandoverOffers({ redis, keys, worker: name, leaseTtlMs: TTL_MS, channel: `${keys.leases(0)}:channel` });
  return { leases, board, lost };
}

const idsOf = (count: number) => Array.from({ length: count }, (_, at) => `cr_${at}`);

/** A worker that holds these and has offered them. */
async function offering(keys: LeaseKeys, ids: string[], urgent = true): Promise<Worker & { fences: Map<string, string> }> {
  const worker = await workerOf(keys, 'a');
  await waitFor(async () => {
    await worker.leases.claim(ids, ids.length);
    return worker.leases.size === ids.length;
  });
  const fences = new Map(ids.map((id) => [id, worker.leases.get(id)!.fence]));
  const creators = ids.map((creatorId) => ({ creatorId, fence: fences.get(creatorId)!, roomId: '7000' }));
  expect((await worker.board.offer(creators, 5_000, urgent)).size).toBe(ids.length);
  return { ...worker, fences };
}

/** A worker takes these offers and says that it receives the rooms. */
async function ready({ board }: Worker, ids: string[]): Promise<void> {
  const taken = await board.take(ids.length, true);
  expect(taken.map(({ creatorId }) => creatorId).toSorted()).toEqual(ids.toSorted());
  await board.answer(taken, 'ready');
}

describe('an offer', () => {
  it('is taken by exactly one worker, when many race for it', async () => {
    const keys = keysOf();
    const ids = idsOf(60);
    await offering(keys, ids);
    const takers = await Promise.all(['b', 'c', 'd'].map((name) => workerOf(keys, name)));
    const taken = await Promise.all(takers.map(({ board }) => board.take(25, true)));
    expect(taken.map(({ length }) => length).every((count) => count <= 25)).toBe(true);
    const all = taken.flat().map(({ creatorId }) => creatorId);
    expect(new Set(all).size).toBe(all.length);
    expect(all.toSorted()).toEqual(ids.toSorted());
  });

  it('is never taken by its own worker, and one that is not urgent only by a worker that asks for all', async () => {
    const keys = keysOf();
    const a = await offering(keys, ['cr_1'], false);
    const b = await workerOf(keys, 'b');
    expect(await a.board.take(10, true)).toEqual([]);
    expect(await b.board.take(10, false)).toEqual([]);
    expect(await b.board.take(10, true)).toMatchObject([{ creatorId: 'cr_1', roomId: '7000', urgent: false, fence: a.fences.get('cr_1') }]);
  });

  it('is neither made nor taken when the offering worker no longer has the lease', async () => {
    const keys = keysOf();
    const a = await offering(keys, ['cr_1']);
    await a.leases.release(['cr_1']);
    const b = await workerOf(keys, 'b');
    await b.leases.claim(['cr_1'], 1);
    expect(await (await workerOf(keys, 'c')).board.take(10, true)).toEqual([]);
    expect((await a.board.states(['cr_1'])).size).toBe(0);
    const stale = { creatorId: 'cr_1', fence: a.fences.get('cr_1')!, roomId: '7000' };
    expect((await a.board.offer([stale], 5_000, true)).size).toBe(0);
  });

  it('shows its state to both sides: taken, ready, reopened, refused, withdrawn', async () => {
    const keys = keysOf();
    const a = await offering(keys, ['cr_1', 'cr_2']);
    const b = await workerOf(keys, 'b');
    const [one, two] = (await b.board.take(10, true)).toSorted((x, y) => (x.creatorId < y.creatorId ? -1 : 1));
    const state = async (id: string) => (await a.board.states([id])).get(id)?.state;
    expect(await state('cr_1')).toBe('taken');
    await b.board.answer([one!], 'ready');
    expect((await a.board.states(['cr_1'])).get('cr_1')).toEqual({ fence: one!.fence, state: 'ready', taker: 'b' });
    await b.board.answer([one!], 'open');
    expect(await state('cr_1')).toBe('open');
    await b.board.answer([one!], 'ready');
    expect(await state('cr_1')).toBe('open');
    await b.board.answer([two!], 'none');
    expect(await state('cr_2')).toBeUndefined();
    await a.board.withdraw([one!]);
    expect(await state('cr_1')).toBeUndefined();
  });

  it('that is made again stays with the worker that took it, and is open for all once its room is another', async () => {
    const keys = keysOf();
    const { board, fences } = await offering(keys, ['cr_1'], false);
    const other = await workerOf(keys, 'b');
    await other.board.take(1, true);
    const again = (roomId: string) => board.offer([{ creatorId: 'cr_1', fence: fences.get('cr_1')!, roomId }], 5_000, true);
    const state = async () => (await board.states(['cr_1'])).get('cr_1');
    await again('7000');
    expect(await state()).toMatchObject({ state: 'taken', taker: 'b' });
    await other.board.answer([{ creatorId: 'cr_1', fence: fences.get('cr_1')! }], 'ready');
    await again('7000');
    expect(await state()).toMatchObject({ state: 'ready', taker: 'b' });
    await again('8000');
    expect(await state()).toMatchObject({ state: 'open' });
    expect(await other.board.take(1, false)).toMatchObject([{ creatorId: 'cr_1', roomId: '8000', urgent: true }]);
  });

  it('is announced at once to workers that subscribe', async () => {
    const keys = keysOf();
    const heard: string[] = [];
    const end = (await workerOf(keys, 'b')).board.listen(subscriber, (what) => heard.push(what));
    await waitFor(async () => ((await redis.pubsub('NUMSUB', `${keys.leases(0)}:channel`)) as [string, number])[1] === 1);
    await offering(keys, ['cr_1']);
    await waitFor(() => heard.includes('offer'));
    end();
  });
});

describe('a lease that is transferred', () => {
  it('moves only once the last event of its holder is in the inbox, and can then be claimed at once by the receiver', async () => {
    const keys = keysOf();
    const a = await offering(keys, ['cr_1']);
    const b = await workerOf(keys, 'b');
    const c = await workerOf(keys, 'c');
    const transfer = { creatorId: 'cr_1', fence: a.fences.get('cr_1')!, to: 'b', proof: '"handedTo":"b/1"' };
    await ready(b, ['cr_1']);
    expect((await a.board.transfer([transfer])).get('cr_1')).toBe('not-yet');
    expect(await b.leases.claim(['cr_1'], 1)).toEqual([]);
    await redis.hset(keys.handoverState(keys.partitionOf('cr_1')), 'cr_1', '{"handedTo":"b/1"}');
    expect((await a.board.transfer([transfer])).get('cr_1')).toBe('done');
    expect(await c.leases.claim(['cr_1'], 1)).toEqual([]);
    const [lease] = await b.leases.claim(['cr_1'], 1);
    expect(lease).toMatchObject({ from: 'own', handoverState: '{"handedTo":"b/1"}' });
    expect(BigInt(lease!.fence)).toBeGreaterThan(BigInt(transfer.fence));
    expect((await a.board.transfer([transfer])).get('cr_1')).toBe('lost');
  });

  it('stays with its holder when the receiver has reopened the offer meanwhile', async () => {
    const keys = keysOf();
    const a = await offering(keys, ['cr_1']);
    const b = await workerOf(keys, 'b');
    const fence = a.fences.get('cr_1')!;
    await redis.hset(keys.handoverState(keys.partitionOf('cr_1')), 'cr_1', 'proof');
    const transfer = async () => (await a.board.transfer([{ creatorId: 'cr_1', fence, to: 'b', proof: 'proof' }])).get('cr_1');
    await ready(b, ['cr_1']);
    await b.board.answer([{ creatorId: 'cr_1', fence }], 'open');
    expect(await transfer()).toBe('not-yet');
    await ready(b, ['cr_1']);
    expect(await transfer()).toBe('done');
  });

  it('is not taken back by a renewal of its old holder, which reports it as lost', async () => {
    const keys = keysOf();
    const a = await offering(keys, ['cr_1']);
    const b = await workerOf(keys, 'b');
    await redis.hset(keys.handoverState(keys.partitionOf('cr_1')), 'cr_1', 'proof');
    await ready(b, ['cr_1']);
    await a.board.transfer([{ creatorId: 'cr_1', fence: a.fences.get('cr_1')!, to: 'b', proof: 'proof' }]);
    await a.leases.renewAll();
    expect(a.lost).toEqual(['cr_1']);
    expect(await b.leases.claim(['cr_1'], 1)).toHaveLength(1);
  });

  it('is claimed by others after the lease time when its receiver has died meanwhile', async () => {
    const keys = keysOf();
    const a = await offering(keys, ['cr_1']);
    const c = await workerOf(keys, 'c');
    await redis.hset(keys.handoverState(keys.partitionOf('cr_1')), 'cr_1', 'proof');
    const { fence } = a.leases.get('cr_1')!;
    await ready(await workerOf(keys, 'dead'), ['cr_1']);
    await a.board.transfer([{ creatorId: 'cr_1', fence, to: 'dead', proof: 'proof' }]);
    a.leases.transferred('cr_1', fence);
    expect(a.leases.size).toBe(0);
    await waitFor(async () => (await c.leases.claim(['cr_1'], 1)).length === 1, { timeoutMs: 3 * TTL_MS });
    expect(a.lost).toEqual([]);
  });
});

describe('removed creators', () => {
  it('are forgotten with all state beside their leases, once they had no holder for a while; no others are', async () => {
    const keys = keysOf();
    const ids = ['cr_1', 'cr_2', 'cr_3', 'cr_4'];
    const a = await offering(keys, ids);
    for (const id of ids) {
      await redis.hset(keys.handoverState(keys.partitionOf(id)), id, 'carry');
      await redis.hset(keys.last(keys.partitionOf(id)), id, '1');
    }
    await a.leases.release(['cr_1', 'cr_2', 'cr_3']);
    // The third was removed long ago, the second only just; the first is still monitored and the fourth still held.
    await redis.hset(keys.leases(keys.partitionOf('cr_3')), 'cr_3', `${a.fences.get('cr_3')} - ${Date.now() - 100_000}`);
    expect(await purgeRemovedCreators({ redis, keys }, (id) => id === 'cr_1', 60_000)).toEqual(['cr_3']);
    for (const hash of [keys.leases, keys.handoverState, keys.last]) {
      const left = [...(await redis.hkeys(hash(0))), ...(await redis.hkeys(hash(1)))];
      expect(left.toSorted()).toEqual(['cr_1', 'cr_2', 'cr_4']);
    }
    await waitFor(async () => {
      await a.leases.claim(['cr_3'], 1);
      return a.leases.get('cr_3');
    });
    expect(BigInt(a.leases.get('cr_3')!.fence)).toBeGreaterThan(BigInt(a.fences.get('cr_3')!));
  });
});
