import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Simulator, startProxy, startRedis, type SuiteServer, waitFor } from '@tributary/testing';
import { account, House } from './testing/house.js';

jest.setTimeout(120_000);

let server: SuiteServer;
const houses: House[] = [];

beforeAll(async () => {
  server = await startRedis({ appendonly: 'no' });
});
afterEach(async () => {
  await Promise.all(houses.splice(0).map((house) => house.close()));
});
afterAll(() => server.remove());

const passed = async (ms: number) => {
  const endAt = performance.now() + ms;
  await waitFor(() => performance.now() > endAt, { timeoutMs: ms + 5_000 });
};

describe('a wipe of Redis', () => {
  it('beside a worker that is cut off from it for 8 s: what is lost is in a recorded gap', async () => {
    const simulator = await new Simulator({ rooms: [{ uniqueId: 'one', rate: 20 }] }).start();
    const house = new House(simulator, server.url, { leaseTtlMs: 10_000 });
    houses.push(house);
    await house.monitor('one');
    const proxy = await startProxy(server.url);
    house.start('a', proxy.url);
    await waitFor(async () => (await house.inbox('one')).length > 60, { timeoutMs: 30_000, what: 'a flow' });
    house.start('b');
    await waitFor(async () => (await house.redis.hlen(`${house.config.redisPrefix}:workers`)) === 2, { what: 'the board' });
    await passed(2_000);
    proxy.freeze();
    const frozenAt = performance.now();
    await house.wipe();
    await waitFor(async () => (await house.holders()).get('cr_one')?.worker === 'b', { timeoutMs: 20_000, what: 'b to take it' });
    const isConnected = async () => (await house.inbox('one')).some(({ type, run }) => type === 'monitor.connected' && run.startsWith('b'));
    await waitFor(isConnected, { timeoutMs: 20_000, what: 'b to connect' });
    await passed(Math.max(0, 8_000 - (performance.now() - frozenAt)));
    proxy.heal();
    const isBack = async () => (await house.inbox('one')).some(({ run }) => run.startsWith('a'));
    await waitFor(isBack, { timeoutMs: 20_000, what: 'a to send again what Redis had accepted' });
    await passed(2_000);
    house.simulator.goOffline(house.simulator.room('one')!);
    await waitFor(async () => (await house.inbox('one')).at(-1)?.type === 'monitor.offline', { timeoutMs: 20_000, what: 'the end' });
    const result = await account(house, 'one');
    await proxy.close();
    expect(result.missing).toEqual([]);
    expect(result.inGaps).toBeGreaterThan(0);
    expect(result.gaps.length).toBeGreaterThan(0);
  });
});
