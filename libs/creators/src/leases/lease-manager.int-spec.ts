import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type FaultProxy, startProxy, startRedis, type SuiteServer, waitFor } from '@tributary/testing';
import { Redis } from 'ioredis';
import { type Lease, type LeaseKeys, LeaseManager } from './lease-manager.js';
import { fairShare, movesNow } from './fair-share.js';

const TTL_MS = 800;
const silent = { info: () => undefined, warn: () => undefined };

let server: SuiteServer;
let admin: Redis;
const managers: LeaseManager[] = [];
const clients: Redis[] = [];
const proxies: FaultProxy[] = [];

beforeAll(async () => {
  server = await startRedis();
  admin = new Redis(server.url);
});

afterEach(async () => {
  await Promise.all(managers.splice(0).map((manager) => manager.stop()));
  for (const client of clients.splice(0)) client.disconnect();
  await Promise.all(proxies.splice(0).map((proxy) => proxy.close()));
});

afterAll(async () => {
  admin.disconnect();
  await server.remove();
});

/** Keys of one test, in two partitions. */
function keysOf(): LeaseKeys {
  const prefix = `leases-${randomUUID().slice(0, 8)}`;
  const of = (name: string) => (partition: number) => `${prefix}:{${partition}}:${name}`;
  return {
    partitions: 2,
    partitionOf: (id) => id.charCodeAt(id.length - 1) % 2,
    leases: of('leases'),
    handoverState: of('carry'),
    last: of('last'),
  };
}

interface Worker {
  manager: LeaseManager;
  lost: Lease[];
  restored: Lease[];
}

/** A worker with its own connection; `url` may lead through a proxy. */
async function workerOf(keys: LeaseKeys, name: string, url = server.url): Promise<Worker> {
  const redis = new Redis(url, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: 300,
    retryStrategy: () => 20,
  });
  redis.on('error', () => undefined);
  clients.push(redis);
  const lost: Lease[] = [];
  const restored: Lease[] = [];
  const manager = new LeaseManager({
    redis,
    keys,
    worker: name,
    ttlMs: TTL_MS,
    logger: silent,
    onLost: (lease) => lost.push(lease),
    onRestored: (lease) => restored.push(lease),
  });
  managers.push(manager);
  manager.start();
  await waitFor(() => manager.stats().silentPartitions === 0);
  return { manager, lost, restored };
}

const idsOf = (count: number) => Array.from({ length: count }, (_, at) => `cr_${at}`);
const heldBy = ({ manager }: Worker) => new Map([...manager.held()].map(({ creatorId, fence }) => [creatorId, fence]));

/** Claims until `count` are held. */
async function claimAll(worker: Worker, ids: string[], count = ids.length): Promise<void> {
  await waitFor(async () => {
    await worker.manager.claim(ids, count - worker.manager.size);
    return worker.manager.size >= count;
  });
}

/** What Redis has on record: creator -> [fence, worker]. */
async function recorded(keys: LeaseKeys): Promise<Map<string, [string, string]>> {
  const hashes = await Promise.all([admin.hgetall(keys.leases(0)), admin.hgetall(keys.leases(1))]);
  return new Map(
    hashes.flatMap(Object.entries).map(([id, text]: [string, string]) => [id, text.split(' ').slice(0, 2) as [string, string]]),
  );
}

describe('a creator has one holder', () => {
  it('when two workers race for the same creators again and again', async () => {
    const keys = keysOf();
    const ids = idsOf(60);
    const workers = [await workerOf(keys, 'a'), await workerOf(keys, 'b')];
    await claimAll(workers[0]!, ids, 60);
    for (let round = 0; round < 40; round += 1) {
      for (const { manager } of workers) await manager.release([...manager.held()].map(({ creatorId }) => creatorId));
      await Promise.all(
        workers.map(({ manager }) =>
          manager.claim(
            ids.toSorted(() => Math.random() - 0.5),
            60,
          ),
        ),
      );
      const [a, b] = workers.map(heldBy) as [Map<string, string>, Map<string, string>];
      expect(a.size + b.size).toBe(60);
      expect([...a.keys()].filter((id) => b.has(id))).toEqual([]);
    }
    expect(workers.flatMap(({ lost }) => lost)).toEqual([]);
  });

  it('whose fence is a whole number of microseconds and higher than any before, even after the clock went back', async () => {
    const keys = keysOf();
    const future = '9000000000000000';
    await admin.hset(keys.leases(keys.partitionOf('cr_1')), 'cr_1', `${future} - 0`);
    const a = await workerOf(keys, 'a');
    await claimAll(a, ['cr_1', 'cr_2']);
    expect(a.manager.get('cr_1')?.fence).toBe('9000000000000001');
    expect(a.manager.get('cr_2')?.fence).toMatch(/^\d{16}$/);
  });

  it('who gets the handover state and the time of the last event from the previous holder', async () => {
    const keys = keysOf();
    const p = keys.partitionOf('cr_1');
    await admin.hset(keys.handoverState(p), 'cr_1', '{"runs":[]}');
    await admin.hset(keys.last(p), 'cr_1', '1700000000123');
    const a = await workerOf(keys, 'a');
    await claimAll(a, ['cr_1', 'cr_2']);
    expect(a.manager.get('cr_1')).toMatchObject({ handoverState: '{"runs":[]}', lastAt: 1_700_000_000_123, from: 'new' });
    expect(a.manager.get('cr_2')).toEqual({ creatorId: 'cr_2', fence: expect.any(String), from: 'new' });
  });
});

describe('a worker that stops', () => {
  it('releases its creators at once, and their next fences are higher', async () => {
    const keys = keysOf();
    const ids = idsOf(10);
    const a = await workerOf(keys, 'a');
    await claimAll(a, ids);
    const before = heldBy(a);
    await a.manager.release(ids);
    expect([...(await recorded(keys)).values()].every(([, worker]) => worker === '-')).toBe(true);
    const b = await workerOf(keys, 'b');
    const taken = await b.manager.claim(ids, 10);
    expect(taken.every(({ creatorId, fence, from }) => from === 'released' && BigInt(fence) > BigInt(before.get(creatorId)!))).toBe(true);
  });

  it('does not release leases that another worker has claimed in the meantime', async () => {
    const keys = keysOf();
    const a = await workerOf(keys, 'a');
    await claimAll(a, ['cr_1']);
    const newer = `${BigInt(a.manager.get('cr_1')!.fence) + 1n}`;
    await a.manager.stop();
    await admin.hset(keys.leases(keys.partitionOf('cr_1')), 'cr_1', `${newer} b 99999999999999`);
    await a.manager.release(['cr_1']);
    expect((await recorded(keys)).get('cr_1')).toEqual([newer, 'b']);
  });
});

describe('a fail-over to a server whose clock is an hour behind', () => {
  it('delays no takeover by that hour, and takes no lease from a living worker', async () => {
    const keys = keysOf();
    const id = 'cr_1';
    const partition = keys.partitionOf(id);
    const future = Date.now() + 3_600_000;
    await admin.hset(keys.leases(partition), id, `${future * 1_000} dead ${future + TTL_MS}`);
    await admin.set(`${keys.leases(partition)}:since`, future - 60_000);
    await admin.set(`${keys.leases(partition)}:beat`, `${future - 60_000} ${future}`);
    const living = await workerOf(keys, 'living');
    await waitFor(async () => (await living.manager.claim([id, 'cr_3'], 2), living.manager.size === 2), {
      timeoutMs: 10 * TTL_MS,
      what: 'the creator of the dead one, and one that was never held',
    });
    const other = await workerOf(keys, 'other');
    const endAt = performance.now() + 2 * TTL_MS;
    await waitFor(
      async () => {
        expect(await other.manager.claim([id, 'cr_3'], 2)).toEqual([]);
        return performance.now() > endAt;
      },
      { timeoutMs: 10 * TTL_MS },
    );
    expect(living.lost).toEqual([]);
  });
});

describe('a creator whose state Redis has lost', () => {
  it('is claimed with the state that the store has, and is released when that cannot be read', async () => {
    const keys = keysOf();
    const redis = new Redis(server.url);
    clients.push(redis);
    let isBroken = true;
    const manager = new LeaseManager({
      redis,
      keys,
      worker: 'a',
      ttlMs: TTL_MS,
      logger: silent,
      lastSeen: async (ids) => {
        if (isBroken) throw new Error('Redis is away');
        return new Map(ids.includes('cr_1') ? [['cr_1', { roomId: '7', at: 5 }]] : []);
      },
      onLost: () => undefined,
    });
    managers.push(manager);
    manager.start();
    await admin.hset(keys.last(keys.partitionOf('cr_3')), 'cr_3', '9');
    const ids = ['cr_1', 'cr_3', 'cr_5'];
    await waitFor(async () => (await recorded(keys)).size === 3 || (await manager.claim(ids, 3)).length > 3);
    expect([...manager.held()].map(({ creatorId }) => creatorId)).toEqual(['cr_3']);
    isBroken = false;
    await waitFor(async () => (await manager.claim(ids, 3), manager.size === 3));
    expect(manager.get('cr_1')?.seen).toEqual({ roomId: '7', at: 5 });
    expect([manager.get('cr_3')?.seen, manager.get('cr_5')?.seen]).toEqual([undefined, undefined]);
  });
});

describe('a release that did not reach Redis', () => {
  it('is sent again when Redis is back, even after a wipe, so that no event of that creator waits for a lease for ever', async () => {
    const keys = keysOf();
    const proxy = await startProxy(server.url);
    proxies.push(proxy);
    const a = await workerOf(keys, 'a', proxy.url);
    await claimAll(a, ['cr_1', 'cr_2']);
    const { fence } = a.manager.get('cr_1')!;
    proxy.refuse();
    await a.manager.release(['cr_1']);
    expect(a.manager.get('cr_1')).toBeUndefined();
    await admin.del(keys.leases(0), keys.leases(1));
    proxy.heal();
    await waitFor(async () => (await recorded(keys)).get('cr_1')?.join(' ') === `${fence} -`);
  });
});

describe('a worker that dies', () => {
  it('loses its leases only to a worker whose own renewals have succeeded for a full lease time', async () => {
    const keys = keysOf();
    const ids = idsOf(6);
    const a = await workerOf(keys, 'a');
    await claimAll(a, ids);
    await a.manager.stop();
    await waitFor(async () => {
      const texts = await admin.hvals(keys.leases(0));
      return texts.every((text) => Number(text.split(' ')[2]) < Date.now());
    });
    const startedAt = performance.now();
    const b = await workerOf(keys, 'b');
    expect(await b.manager.claim(ids, 6)).toEqual([]);
    await claimAll(b, ids);
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(TTL_MS - 1);
    expect([...b.manager.held()].every(({ from }) => from === 'expired')).toBe(true);
  });

  it('loses its leases at once to a worker that has just started, when the renewals of others have succeeded for a full lease time', async () => {
    const keys = keysOf();
    const ids = idsOf(6);
    const other = await workerOf(keys, 'other');
    const a = await workerOf(keys, 'a');
    await claimAll(a, ids);
    await a.manager.stop();
    await waitFor(async () => {
      const texts = [...(await admin.hvals(keys.leases(0))), ...(await admin.hvals(keys.leases(1)))];
      return texts.every((text) => Number(text.split(' ')[2]) < Date.now());
    });
    const b = await workerOf(keys, 'b');
    const taken = await b.manager.claim(ids, 6);
    expect(taken.map(({ from }) => from)).toEqual(ids.map(() => 'expired'));
    // A break of half a lease time, as an outage makes it, ends that proof: nobody could have renewed.
    await Promise.all([other, b].map(({ manager }) => manager.stop()));
    const brokenOff = Date.now();
    await waitFor(() => Date.now() - brokenOff > TTL_MS * 2);
    const c = await workerOf(keys, 'c');
    expect(await c.manager.claim(ids, 6)).toEqual([]);
  });

  it('cannot displace its successor: its late renewal is answered as lost and changes nothing', async () => {
    const keys = keysOf();
    const ids = idsOf(4);
    const zombie = await workerOf(keys, 'zombie');
    await claimAll(zombie, ids);
    const old = heldBy(zombie);
    await zombie.manager.stop();
    const b = await workerOf(keys, 'b');
    await claimAll(b, ids);
    await zombie.manager.renewAll();
    expect(zombie.lost.map(({ creatorId }) => creatorId).sort()).toEqual(ids);
    expect(zombie.lost.every(({ creatorId, fence }) => old.get(creatorId) === fence)).toBe(true);
    expect(zombie.manager.size).toBe(0);
    for (const [id, [fence, worker]] of await recorded(keys)) expect([fence, worker]).toEqual([heldBy(b).get(id), 'b']);
    await b.manager.renewAll();
    expect(b.lost).toEqual([]);
  });

  it('but was only late keeps its own expired leases under the same fence, when no other worker has claimed them', async () => {
    const keys = keysOf();
    const a = await workerOf(keys, 'a');
    await claimAll(a, idsOf(4));
    const before = heldBy(a);
    await a.manager.stop();
    await waitFor(async () => (await admin.hvals(keys.leases(0))).every((text) => Number(text.split(' ')[2]) < Date.now()));
    await a.manager.renewAll();
    expect(heldBy(a)).toEqual(before);
    expect(a.lost).toEqual([]);
    expect((await admin.hvals(keys.leases(0))).every((text) => Number(text.split(' ')[2]) > Date.now())).toBe(true);
  });
});

describe('Redis goes away', () => {
  it('for longer than a lease: every holder keeps its creators, and no worker claims those of another', async () => {
    const keys = keysOf();
    const ids = idsOf(40);
    const proxy = await startProxy(server.url);
    proxies.push(proxy);
    const a = await workerOf(keys, 'a', proxy.url);
    const b = await workerOf(keys, 'b', proxy.url);
    await claimAll(a, ids, 20);
    await claimAll(b, ids, 20);
    const before = [heldBy(a), heldBy(b)];
    proxy.refuse();
    await waitFor(async () => (await admin.hvals(keys.leases(0))).every((text) => Number(text.split(' ')[2]) < Date.now() - TTL_MS));
    expect(a.manager.size + b.manager.size).toBe(40);
    proxy.heal();
    const untilMs = performance.now() + 3 * TTL_MS;
    while (performance.now() < untilMs) {
      await Promise.all([a.manager.claim(ids, 40), b.manager.claim(ids, 40)]);
      await a.manager.renewAll();
    }
    expect([heldBy(a), heldBy(b)]).toEqual(before);
    expect([...a.lost, ...b.lost]).toEqual([]);
  });

  it('and is wiped: leases are restored under the same fences, and no new worker can claim them in between', async () => {
    const keys = keysOf();
    const ids = idsOf(40);
    const a = await workerOf(keys, 'a');
    await claimAll(a, ids);
    const before = heldBy(a);
    await admin.flushall();
    const fresh = await workerOf(keys, 'fresh');
    await waitFor(async () => {
      await fresh.manager.claim(ids, 40);
      return a.restored.length >= 40;
    });
    expect(heldBy(a)).toEqual(before);
    expect(fresh.manager.size).toBe(0);
    expect(new Set([...(await recorded(keys))].map(([id, [fence, worker]]) => `${id} ${fence} ${worker}`))).toEqual(
      new Set([...before].map(([id, fence]) => `${id} ${fence} a`)),
    );
  });

  it('and has lost its last writes: a lease with an older fence is replaced by that of its holder', async () => {
    const keys = keysOf();
    const a = await workerOf(keys, 'a');
    await claimAll(a, ['cr_1']);
    const { fence } = a.manager.get('cr_1')!;
    await admin.hset(keys.leases(keys.partitionOf('cr_1')), 'cr_1', `${BigInt(fence) - 5n} old 0`);
    await waitFor(() => a.restored.length === 1);
    expect((await recorded(keys)).get('cr_1')).toEqual([fence, 'a']);
  });

  it('while a claim is answered: the worker takes its own lease again at once, without waiting for it to expire', async () => {
    const keys = keysOf();
    await admin.hset(keys.leases(keys.partitionOf('cr_1')), 'cr_1', `17000000000000 a ${Date.now() + 60_000}`);
    const a = await workerOf(keys, 'a');
    const [lease] = await a.manager.claim(['cr_1'], 1);
    expect(lease?.from).toBe('own');
  });
});

describe('creators spread over workers', () => {
  /** What a worker does each second, and at every interval. */
  async function tick(worker: Worker, others: number, ids: string[], move: boolean): Promise<number> {
    const { manager } = worker;
    const share = fairShare(
      ids.length,
      1_000,
      Array.from({ length: others }, () => 1_000),
    );
    await manager.claim(
      ids.toSorted(() => Math.random() - 0.5),
      Math.max(0, share.claimUpTo - manager.size),
    );
    if (!move) return 0;
    const { quiet } = movesNow({ quiet: manager.size, live: 0 }, share);
    await manager.release([...manager.held()].slice(0, quiet).map(({ creatorId }) => creatorId));
    return quiet;
  }

  it('evenly, 100 over 3, without a move once they are spread', async () => {
    const keys = keysOf();
    const ids = idsOf(100);
    const workers = [await workerOf(keys, 'a'), await workerOf(keys, 'b'), await workerOf(keys, 'c')];
    const total = () => workers.reduce((sum, { manager }) => sum + manager.size, 0);
    await waitFor(async () => {
      await Promise.all(workers.map((worker) => tick(worker, 2, ids, false)));
      return total() === 100;
    });
    for (const { manager } of workers) expect(Math.abs(manager.size - 34)).toBeLessThanOrEqual(5);
    for (let round = 0; round < 20; round += 1) {
      for (const worker of workers) expect(await tick(worker, 2, ids, true)).toBe(0);
    }
    expect(total()).toBe(100);
  });

  it('anew when one joins: a bounded few move in each interval, each of them once', async () => {
    const keys = keysOf();
    const ids = idsOf(100);
    const a = await workerOf(keys, 'a');
    await claimAll(a, ids);
    const b = await workerOf(keys, 'b');
    let moved = 0;
    for (let interval = 0; interval < 12; interval += 1) {
      const now = await tick(a, 1, ids, true);
      expect(now).toBeLessThanOrEqual(25);
      moved += now;
      await tick(b, 1, ids, true);
      expect(a.manager.size + b.manager.size).toBe(100);
    }
    expect(moved).toBeLessThanOrEqual(50);
    expect(b.manager.size).toBeGreaterThanOrEqual(45);
  });
});
