import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { type FaultProxy, Simulator, startProxy, startRedis, type SuiteServer, waitFor } from '@tributary/testing';
import type { Config } from '@tributary/runtime';
import { account, House } from './testing/house.js';

jest.setTimeout(90_000);

let server: SuiteServer;
const houses: House[] = [];
const proxies: FaultProxy[] = [];

beforeAll(async () => {
  server = await startRedis({ appendonly: 'always' });
});

afterEach(async () => {
  for (const proxy of proxies) proxy.heal();
  await Promise.all(houses.splice(0).map((house) => house.close()));
  await Promise.all(proxies.splice(0).map((proxy) => proxy.close()));
});

afterAll(async () => {
  await server.remove();
});

const names = (count: number): string[] => Array.from({ length: count }, (_, at) => `creator${at}`);

async function openHouse(live: string[], settings: Partial<Config> = {}, rate = 20): Promise<House> {
  const simulator = await new Simulator({ rooms: live.map((uniqueId) => ({ uniqueId, rate })) }).start();
  const house = new House(simulator, server.url, settings);
  houses.push(house);
  await house.monitor(...live);
  return house;
}

async function proxied(): Promise<FaultProxy> {
  const proxy = await startProxy(server.url);
  proxies.push(proxy);
  return proxy;
}

/** Waits until every creator is live and has a few messages in the inbox. */
async function flowing(house: House, timeoutMs = 15_000): Promise<void> {
  await waitFor(
    async () => {
      const statuses = await house.status();
      return house.creators.every(({ uniqueId }) => statuses.get(uniqueId)?.state === 'live');
    },
    { timeoutMs, what: 'every creator to be live' },
  );
  for (const { uniqueId } of house.creators) {
    await waitFor(async () => (await house.inbox(uniqueId)).filter(({ type }) => type.startsWith('tiktok.')).length > 20, {
      timeoutMs,
      what: 'messages',
    });
  }
}

/** Ends every room, waits until that is told, and accounts for everything. */
async function expectEverythingAccounted(house: House): Promise<{ twice: number; inGaps: number; gaps: string[] }> {
  for (const room of house.simulator.rooms()) house.simulator.goOffline(room);
  let twice = 0;
  let inGaps = 0;
  const gaps: string[] = [];
  for (const { uniqueId } of house.creators) {
    await waitFor(async () => (await house.inbox(uniqueId)).at(-1)?.type === 'monitor.offline', {
      timeoutMs: 20_000,
      what: `the end of ${uniqueId}`,
    });
    const result = await account(house, uniqueId);
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
    const house = await openHouse(names(8));
    house.start('a');
    await flowing(house);
    for (let round = 0; round < 3; round += 1) {
      for (const { uniqueId } of house.creators) {
        house.simulator.fault({ kind: round % 2 === 0 ? 'drop' : 'duplicate', uniqueId });
      }
      const before = await house.status();
      const reconnects = (map: typeof before) => [...map.values()].reduce((sum, { counters }) => sum + counters.reconnects, 0);
      if (round % 2 === 0) await waitFor(async () => reconnects(await house.status()) >= reconnects(before) + 8, { timeoutMs: 20_000 });
      await flowing(house);
    }
    const { twice, gaps } = await expectEverythingAccounted(house);
    expect(twice).toBe(0);
    expect(new Set(gaps)).toEqual(new Set(['disconnect']));
  });

  it('finds creators that go live, rooms that end without a word, and new rooms', async () => {
    const house = await openHouse(['one', 'two']);
    house.simulator.goOffline(house.simulator.room('two')!);
    house.start('a');
    await waitFor(async () => {
      const statuses = await house.status();
      return statuses.get('one')?.state === 'live' && statuses.get('two')?.state === 'offline';
    });
    expect(await house.inbox('two')).toEqual([]);
    const firstRoom = house.simulator.room('one')!.roomId;
    house.simulator.goLive(house.simulator.room('two')!);
    house.simulator.goOffline(house.simulator.room('one')!, false);
    house.simulator.fault({ kind: 'drop', uniqueId: 'one' });
    await waitFor(async () => (await house.status()).get('two')?.state === 'live');
    await waitFor(async () => (await house.status()).get('one')?.state === 'offline', { timeoutMs: 20_000 });
    house.simulator.goLive(house.simulator.room('one')!);
    await waitFor(async () => (await house.status()).get('one')?.state === 'live', { timeoutMs: 20_000 });
    const told = (await house.inbox('one')).filter(({ type }) => /live|offline/.test(type.replace('tiktok.live', '')));
    expect(told.map(({ type, room }) => [type, room])).toEqual([
      ['monitor.live', firstRoom],
      ['monitor.offline', firstRoom],
      ['monitor.live', house.simulator.room('one')!.roomId],
    ]);
    expect(told[1]?.data.confirmedBy).toBe('poll');
  });

  it('follows the registry: paused creators rest and their gap is told when they go on, removed ones are forgotten', async () => {
    const house = await openHouse(['one', 'two']);
    house.start('a');
    await flowing(house);
    house.creators = house.creators.filter(({ uniqueId }) => uniqueId === 'one').map((record) => ({ ...record, paused: true }));
    await house.publish();
    await waitFor(() => house.simulator.room('one')!.connections.size === 0 && house.simulator.room('two')!.connections.size === 0);
    await waitFor(async () => (await house.statuses.readMany(['cr_two']))[0] === undefined);
    const lastOf = async (name: string) => (await house.inbox(name)).slice(-2);
    for (const [name, reason] of [
      ['one', 'paused'],
      ['two', 'removed'],
    ] as const) {
      expect(await lastOf(name)).toMatchObject([
        { type: 'monitor.disconnected', data: { reason } },
        { type: 'monitor.unwatched', data: { reason, roomId: house.simulator.room(name)!.roomId } },
      ]);
    }
    house.creators = house.creators.map((record) => ({ ...record, paused: false }));
    await house.publish();
    await waitFor(async () => (await house.status()).get('one')?.state === 'live');
    const { gaps } = await expectEverythingAccounted(house);
    expect(gaps).toEqual(['paused']);
  });

  it('keeps what it last knew while the projection is gone', async () => {
    const house = await openHouse(['one']);
    house.start('a');
    await flowing(house);
    await house.redis.del(`${house.config.redisPrefix}:creators`, `${house.config.redisPrefix}:creators:version`);
    const before = (await house.inbox('one')).length;
    await waitFor(async () => (await house.inbox('one')).length > before + 50, { timeoutMs: 20_000 });
    expect(house.simulator.room('one')!.connections.size).toBe(1);
  });
});

describe('two workers', () => {
  it('share creators, and one that stops hands its part over: nothing is lost, nothing comes twice, no gap', async () => {
    const house = await openHouse(names(8));
    const a = house.start('a');
    house.start('b');
    await flowing(house);
    const heldBy = async (name: string) => [...(await house.holders()).values()].filter(({ worker }) => worker === name).length;
    await waitFor(async () => (await heldBy('a')) === 4 && (await heldBy('b')) === 4, { timeoutMs: 30_000, what: 'an even share' });
    await flowing(house);
    const startedAt = performance.now();
    await house.stop(a);
    expect(performance.now() - startedAt).toBeLessThan(8_000);
    await waitFor(async () => [...(await house.holders()).values()].every(({ worker }) => worker === 'b'), { timeoutMs: 20_000 });
    await flowing(house);
    const { twice, inGaps, gaps } = await expectEverythingAccounted(house);
    expect({ twice, inGaps, gaps }).toEqual({ twice: 0, inGaps: 0, gaps: [] });
  });

  it('survive that one is cut off from Redis for longer than its leases: the other takes over, the cut-off one adds nothing', async () => {
    const house = await openHouse(names(6));
    const proxy = await proxied();
    const a = house.start('a', proxy.url);
    await flowing(house);
    const before = await house.holders();
    house.start('b');
    proxy.refuse();
    await waitFor(async () => [...(await house.holders()).values()].every(({ worker }) => worker === 'b'), { timeoutMs: 15_000 });
    await flowing(house);
    const after = await house.holders();
    for (const [id, { fence }] of after) expect(BigInt(fence)).toBeGreaterThan(BigInt(before.get(id)!.fence));
    proxy.heal();
    await waitFor(async () => (await a.readiness.judge()).ready, { timeoutMs: 20_000, what: 'the cut-off worker to be well again' });
    await waitFor(() => house.creators.every(({ uniqueId }) => house.simulator.room(uniqueId)!.connections.size === 1), {
      timeoutMs: 20_000,
    });
    const { gaps } = await expectEverythingAccounted(house);
    expect(gaps.filter((reason) => reason === 'takeover').length).toBeGreaterThanOrEqual(6);
    for (const { uniqueId } of house.creators) {
      const entries = await house.inbox(uniqueId);
      const changes = entries.filter(({ run }, at) => at > 0 && run !== entries[at - 1]!.run);
      expect(changes.length).toBeGreaterThan(0);
      expect(changes.filter(({ type }) => !type.startsWith('monitor.'))).toEqual([]);
    }
  });
});

describe('Redis', () => {
  it('killed and back: sockets stay open, nothing is missing, and no creator changes hands', async () => {
    const house = await openHouse(names(6));
    house.start('a');
    house.start('b');
    await flowing(house);
    const before = await house.holders();
    const connections = house.simulator.stats().connectionsTotal;
    await server.kill9();
    const sent = () => house.creators.reduce((sum, { uniqueId }) => sum + house.simulator.room(uniqueId)!.ledger.head, 0);
    const sentBefore = sent();
    await waitFor(() => sent() > sentBefore + 300, { timeoutMs: 20_000 });
    await server.restart();
    await flowing(house);
    expect(await house.holders()).toEqual(before);
    expect(house.simulator.stats().connectionsTotal).toBe(connections);
    const { twice, inGaps, gaps } = await expectEverythingAccounted(house);
    expect({ twice, inGaps, gaps }).toEqual({ twice: 0, inGaps: 0, gaps: [] });
  });

  it('wiped: leases come back under the same fences, and everything that is not stored is sent again', async () => {
    const house = await openHouse(names(6));
    house.start('a');
    house.start('b');
    await flowing(house);
    const before = await house.holders();
    await house.redis.flushall();
    await house.publish();
    await waitFor(async () => (await house.holders()).size === 6);
    await flowing(house);
    expect(await house.holders()).toEqual(before);
    const { inGaps, gaps } = await expectEverythingAccounted(house);
    expect({ inGaps, gaps }).toEqual({ inGaps: 0, gaps: [] });
  });

  it('away until memory is full: the loss is a gap with its exact count, and readiness says what is wrong', async () => {
    const proxy = await proxied();
    const house = await openHouse(names(3), { retainBytesMax: 1_048_576, leaseTtlMs: 60_000 }, 200);
    const a = house.start('a', proxy.url);
    await flowing(house);
    proxy.refuse();
    await waitFor(async () => /not appended \(\d+ events\) for \d+ s/.test((await a.readiness.judge()).checks.inbox ?? ''), {
      timeoutMs: 30_000,
      what: 'readiness to say it',
    });
    const memory = /tributary_ingest_memory_bytes\{[^}]*\} (\d+)/.exec(await a.metrics.metrics())?.[1];
    expect(Number(memory)).toBeGreaterThan(900_000);
    expect(Number(memory)).toBeLessThanOrEqual(1_048_576);
    proxy.heal();
    // Memory is free again once what it holds is stored.
    for (const room of house.simulator.rooms()) room.rate = 0;
    await waitFor(async () => (await a.readiness.judge()).checks.inbox === 'ok', { timeoutMs: 20_000 });
    await house.confirm();
    for (const { uniqueId } of house.creators) {
      await waitFor(async () => (await account(house, uniqueId)).missing.length === 0, { timeoutMs: 20_000, what: 'the gap to be told' });
      const result = await account(house, uniqueId);
      expect(result.inGaps).toBeGreaterThan(100);
      expect(result.gaps.every(({ reason }) => reason === 'buffer-full')).toBe(true);
      const told = (await house.inbox(uniqueId))
        .filter(({ type }) => type === 'monitor.gap')
        .map(({ data }) => Number(data.missedEstimate));
      expect(told.reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(result.inGaps);
    }
  });
});
