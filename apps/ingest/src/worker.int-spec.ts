import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { type FaultProxy, Simulator, startProxy, startRedis, type SuiteServer, waitFor } from '@tributary/testing';
import type { Config } from '@tributary/runtime';
import { account, TestCluster } from './testing/test-cluster.js';

jest.setTimeout(90_000);

let server: SuiteServer;
const clusters: TestCluster[] = [];
const proxies: FaultProxy[] = [];

beforeAll(async () => {
  server = await startRedis({ appendonly: 'always' });
});

afterEach(async () => {
  for (const proxy of proxies) proxy.heal();
  await Promise.all(clusters.splice(0).map((cluster) => cluster.close()));
  await Promise.all(proxies.splice(0).map((proxy) => proxy.close()));
});

afterAll(async () => {
  await server.remove();
});

const names = (count: number): string[] => Array.from({ length: count }, (_, at) => `creator${at}`);

async function openCluster(live: string[], settings: Partial<Config> = {}, rate = 20): Promise<TestCluster> {
  const simulator = await new Simulator({ rooms: live.map((uniqueId) => ({ uniqueId, rate })) }).start();
  const cluster = new TestCluster(simulator, server.url, settings);
  clusters.push(cluster);
  await cluster.monitor(...live);
  return cluster;
}

async function proxied(): Promise<FaultProxy> {
  const proxy = await startProxy(server.url);
  proxies.push(proxy);
  return proxy;
}

/** Waits until every creator is live and has a few messages in the inbox. */
async function flowing(cluster: TestCluster, timeoutMs = 15_000): Promise<void> {
  await waitFor(
    async () => {
      const statuses = await cluster.status();
      return cluster.creators.every(({ uniqueId }) => statuses.get(uniqueId)?.state === 'live');
    },
    { timeoutMs, what: 'every creator to be live' },
  );
  for (const { uniqueId } of cluster.creators) {
    await waitFor(async () => (await cluster.inbox(uniqueId)).filter(({ type }) => type.startsWith('tiktok.')).length > 20, {
      timeoutMs,
      what: 'messages',
    });
  }
}

/** Ends every room, waits for monitor.offline, and accounts for every message. */
async function expectEverythingAccounted(cluster: TestCluster): Promise<{ twice: number; inGaps: number; gaps: string[] }> {
  for (const room of cluster.simulator.rooms()) cluster.simulator.goOffline(room);
  let twice = 0;
  let inGaps = 0;
  const gaps: string[] = [];
  for (const { uniqueId } of cluster.creators) {
    await waitFor(async () => (await cluster.inbox(uniqueId)).at(-1)?.type === 'monitor.offline', {
      what: `the end of ${uniqueId}`,
    });
    const result = await account(cluster, uniqueId);
    expect(result).toMatchObject({ missing: [], orderFaults: 0 });
    expect(result.written).toBeGreaterThan(20);
    twice += result.twice.length;
    inGaps += result.inGaps;
    gaps.push(...result.gaps.map(({ reason }) => reason));
  }
  return { twice, inGaps, gaps };
}

describe('a worker', () => {
  it('receives every message of every room in order, once, over dropped connections and repeated history', async () => {
    const cluster = await openCluster(names(8));
    cluster.start('a');
    await flowing(cluster);
    for (let round = 0; round < 3; round += 1) {
      for (const { uniqueId } of cluster.creators) {
        cluster.simulator.fault({ kind: round % 2 === 0 ? 'drop' : 'duplicate', uniqueId });
      }
      const before = await cluster.status();
      const reconnects = (map: typeof before) => [...map.values()].reduce((sum, { counters }) => sum + counters.reconnects, 0);
      if (round % 2 === 0) await waitFor(async () => reconnects(await cluster.status()) >= reconnects(before) + 8);
      await flowing(cluster);
    }
    const { twice, gaps } = await expectEverythingAccounted(cluster);
    expect(twice).toBe(0);
    expect(new Set(gaps)).toEqual(new Set(['disconnect']));
  });

  it('finds creators that go live, rooms that end without an end message, and new rooms', async () => {
    const cluster = await openCluster(['one', 'two']);
    cluster.simulator.goOffline(cluster.simulator.room('two')!);
    cluster.start('a');
    await waitFor(async () => {
      const statuses = await cluster.status();
      return statuses.get('one')?.state === 'live' && statuses.get('two')?.state === 'offline';
    });
    expect(await cluster.inbox('two')).toEqual([]);
    const firstRoom = cluster.simulator.room('one')!.roomId;
    cluster.simulator.goLive(cluster.simulator.room('two')!);
    cluster.simulator.goOffline(cluster.simulator.room('one')!, false);
    cluster.simulator.fault({ kind: 'drop', uniqueId: 'one' });
    await waitFor(async () => (await cluster.status()).get('two')?.state === 'live');
    await waitFor(async () => (await cluster.status()).get('one')?.state === 'offline');
    cluster.simulator.goLive(cluster.simulator.room('one')!);
    await waitFor(async () => (await cluster.status()).get('one')?.state === 'live');
    const published = (await cluster.inbox('one')).filter(({ type }) => /live|offline/.test(type.replace('tiktok.live', '')));
    expect(published.map(({ type, room }) => [type, room])).toEqual([
      ['monitor.live', firstRoom],
      ['monitor.offline', firstRoom],
      ['monitor.live', cluster.simulator.room('one')!.roomId],
    ]);
    expect(published[1]?.data.confirmedBy).toBe('poll');
  });

  it('follows the registry: a pause becomes a gap when monitoring resumes, and data of removed creators is deleted', async () => {
    const cluster = await openCluster(['one', 'two']);
    cluster.start('a');
    await flowing(cluster);
    cluster.creators = cluster.creators.filter(({ uniqueId }) => uniqueId === 'one').map((record) => ({ ...record, paused: true }));
    await cluster.publish();
    await waitFor(() => cluster.simulator.room('one')!.connections.size === 0 && cluster.simulator.room('two')!.connections.size === 0);
    await waitFor(async () => (await cluster.statuses.readMany(['cr_two']))[0] === undefined);
    const lastOf = async (name: string) => (await cluster.inbox(name)).slice(-2);
    for (const [name, reason] of [
      ['one', 'paused'],
      ['two', 'removed'],
    ] as const) {
      expect(await lastOf(name)).toMatchObject([
        { type: 'monitor.disconnected', data: { reason } },
        { type: 'monitor.unwatched', data: { reason, roomId: cluster.simulator.room(name)!.roomId } },
      ]);
    }
    cluster.creators = cluster.creators.map((record) => ({ ...record, paused: false }));
    await cluster.publish();
    await waitFor(async () => (await cluster.status()).get('one')?.state === 'live');
    const { gaps } = await expectEverythingAccounted(cluster);
    expect(gaps).toEqual(['paused']);
  });

  it('keeps the last known creators while the projection is missing', async () => {
    const cluster = await openCluster(['one']);
    cluster.start('a');
    await flowing(cluster);
    await cluster.redis.del(`${cluster.config.redisPrefix}:creators`, `${cluster.config.redisPrefix}:creators:version`);
    const before = (await cluster.inbox('one')).length;
    await waitFor(async () => (await cluster.inbox('one')).length > before + 50);
    expect(cluster.simulator.room('one')!.connections.size).toBe(1);
  });
});

describe('two workers', () => {
  it('share creators, and one that stops hands its share over: nothing is lost, nothing comes twice, no gap', async () => {
    const cluster = await openCluster(names(8));
    const a = cluster.start('a');
    cluster.start('b');
    await flowing(cluster);
    const heldBy = async (name: string) => [...(await cluster.holders()).values()].filter(({ worker }) => worker === name).length;
    await waitFor(async () => (await heldBy('a')) === 4 && (await heldBy('b')) === 4, { what: 'an even share' });
    await flowing(cluster);
    const startedAt = performance.now();
    await cluster.stop(a);
    expect(performance.now() - startedAt).toBeLessThan(8_000);
    await waitFor(async () => [...(await cluster.holders()).values()].every(({ worker }) => worker === 'b'));
    await flowing(cluster);
    const { twice, inGaps, gaps } = await expectEverythingAccounted(cluster);
    expect({ twice, inGaps, gaps }).toEqual({ twice: 0, inGaps: 0, gaps: [] });
  });

  it('when one is cut off from Redis for longer than its leases: the other takes over, and the first appends nothing more', async () => {
    const cluster = await openCluster(names(6));
    const proxy = await proxied();
    const a = cluster.start('a', proxy.url);
    await flowing(cluster);
    const before = await cluster.holders();
    cluster.start('b');
    proxy.refuse();
    await waitFor(async () => [...(await cluster.holders()).values()].every(({ worker }) => worker === 'b'));
    await flowing(cluster);
    const after = await cluster.holders();
    for (const [id, { fence }] of after) expect(BigInt(fence)).toBeGreaterThan(BigInt(before.get(id)!.fence));
    proxy.heal();
    await waitFor(async () => (await a.readiness.judge()).ready, { what: 'the cut-off worker to be ready again' });
    await waitFor(() => cluster.creators.every(({ uniqueId }) => cluster.simulator.room(uniqueId)!.connections.size === 1));
    const { gaps } = await expectEverythingAccounted(cluster);
    expect(gaps.filter((reason) => reason === 'takeover').length).toBeGreaterThanOrEqual(6);
    for (const { uniqueId } of cluster.creators) {
      const entries = await cluster.inbox(uniqueId);
      const changes = entries.filter(({ run }, at) => at > 0 && run !== entries[at - 1]!.run);
      expect(changes.length).toBeGreaterThan(0);
      expect(changes.filter(({ type }) => !type.startsWith('monitor.'))).toEqual([]);
    }
  });
});

describe('Redis', () => {
  it('killed and restarted: sockets stay open, nothing is missing, and no creator moves', async () => {
    const cluster = await openCluster(names(6));
    cluster.start('a');
    cluster.start('b');
    await flowing(cluster);
    const before = await cluster.holders();
    const connections = cluster.simulator.stats().connectionsTotal;
    await server.kill9();
    const sent = () => cluster.creators.reduce((sum, { uniqueId }) => sum + cluster.simulator.room(uniqueId)!.ledger.head, 0);
    const sentBefore = sent();
    await waitFor(() => sent() > sentBefore + 300);
    await server.restart();
    await flowing(cluster);
    expect(await cluster.holders()).toEqual(before);
    expect(cluster.simulator.stats().connectionsTotal).toBe(connections);
    const { twice, inGaps, gaps } = await expectEverythingAccounted(cluster);
    expect({ twice, inGaps, gaps }).toEqual({ twice: 0, inGaps: 0, gaps: [] });
  });

  it('wiped: leases come back under the same fences, and everything that is not stored is sent again', async () => {
    const cluster = await openCluster(names(6));
    cluster.start('a');
    cluster.start('b');
    await flowing(cluster);
    const before = await cluster.holders();
    await cluster.redis.flushall();
    await cluster.publish();
    await waitFor(async () => (await cluster.holders()).size === 6);
    await flowing(cluster);
    expect(await cluster.holders()).toEqual(before);
    const { inGaps, gaps } = await expectEverythingAccounted(cluster);
    expect({ inGaps, gaps }).toEqual({ inGaps: 0, gaps: [] });
  });

  it('away until memory is full: the loss is a gap with its exact count, and readiness names the problem', async () => {
    const proxy = await proxied();
    const cluster = await openCluster(names(3), { retainBytesMax: 1_048_576, leaseTtlMs: 60_000 }, 200);
    const a = cluster.start('a', proxy.url);
    await flowing(cluster);
    proxy.refuse();
    await waitFor(async () => /not appended \(\d+ events\) for \d+ s/.test((await a.readiness.judge()).checks.inbox ?? ''), {
      what: 'readiness to name it',
    });
    const memory = /tributary_ingest_memory_bytes\{[^}]*\} (\d+)/.exec(await a.metrics.metrics())?.[1];
    expect(Number(memory)).toBeGreaterThan(900_000);
    expect(Number(memory)).toBeLessThanOrEqual(1_048_576);
    proxy.heal();
    // Memory is free again once what it holds is stored.
    for (const room of cluster.simulator.rooms()) room.rate = 0;
    await waitFor(async () => (await a.readiness.judge()).checks.inbox === 'ok');
    await cluster.confirm();
    for (const { uniqueId } of cluster.creators) {
      await waitFor(async () => (await account(cluster, uniqueId)).missing.length === 0, { what: 'the gap' });
      const result = await account(cluster, uniqueId);
      expect(result.inGaps).toBeGreaterThan(100);
      expect(result.gaps.every(({ reason }) => reason === 'buffer-full')).toBe(true);
      const missed = (await cluster.inbox(uniqueId))
        .filter(({ type }) => type === 'monitor.gap')
        .map(({ data }) => Number(data.missedEstimate));
      expect(missed.reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(result.inGaps);
    }
  });
});
