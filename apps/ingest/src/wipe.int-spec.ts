import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Simulator, startProxy, startRedis, type SuiteServer, waitFor } from '@tributary/testing';
import { account, TestCluster } from './testing/test-cluster.js';

jest.setTimeout(120_000);

let server: SuiteServer;
const clusters: TestCluster[] = [];

beforeAll(async () => {
  server = await startRedis({ appendonly: 'no' });
});
afterEach(async () => {
  await Promise.all(clusters.splice(0).map((cluster) => cluster.close()));
});
afterAll(() => server.remove());

const passed = async (ms: number) => {
  const endAt = performance.now() + ms;
  await waitFor(() => performance.now() > endAt, { timeoutMs: ms + 5_000 });
};

describe('a wipe of Redis', () => {
  it('while a worker is cut off for 8 s: what is lost is in a gap', async () => {
    const simulator = await new Simulator({ rooms: [{ uniqueId: 'one', rate: 20 }] }).start();
    const cluster = new TestCluster(simulator, server.url, { leaseTtlMs: 10_000 });
    clusters.push(cluster);
    await cluster.monitor('one');
    const proxy = await startProxy(server.url);
    cluster.start('a', proxy.url);
    await waitFor(async () => (await cluster.inbox('one')).length > 60, { what: 'messages' });
    cluster.start('b');
    await waitFor(async () => (await cluster.redis.hlen(`${cluster.config.redisPrefix}:workers`)) === 2, { what: 'the registry' });
    await passed(2_000);
    proxy.freeze();
    const frozenAt = performance.now();
    await cluster.wipe();
    await waitFor(async () => (await cluster.holders()).get('cr_one')?.worker === 'b', { what: 'b to take it' });
    const isConnected = async () =>
      (await cluster.inbox('one')).some(({ type, run }) => type === 'monitor.connected' && run.startsWith('b'));
    await waitFor(isConnected, { what: 'b to connect' });
    await passed(Math.max(0, 8_000 - (performance.now() - frozenAt)));
    proxy.heal();
    const isBack = async () => (await cluster.inbox('one')).some(({ run }) => run.startsWith('a'));
    await waitFor(isBack, { what: 'a to send again what Redis had accepted' });
    await passed(2_000);
    cluster.simulator.goOffline(cluster.simulator.room('one')!);
    await waitFor(async () => (await cluster.inbox('one')).at(-1)?.type === 'monitor.offline', { what: 'the end' });
    const result = await account(cluster, 'one');
    await proxy.close();
    expect(result.missing).toEqual([]);
    expect(result.inGaps).toBeGreaterThan(0);
    expect(result.gaps.length).toBeGreaterThan(0);
  });
});
