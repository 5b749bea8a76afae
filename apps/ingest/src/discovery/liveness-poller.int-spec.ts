import { afterEach, describe, expect, it } from '@jest/globals';
import { Simulator, testServers, waitFor } from '@tributary/testing';
import { TestCluster } from '../testing/test-cluster.js';

const ENDED = 20;
/** Polls of each creator while TikTok calls every room alive. */
const POLLS = 15;
const names = Array.from({ length: ENDED }, (_, n) => `ended${n}`);

let cluster: TestCluster;
afterEach(() => cluster.close());

describe('a TikTok that calls every room alive', () => {
  it('causes no false event and no sign call for creators that ended, and a live creator is found promptly', async () => {
    const simulator = await new Simulator({ rooms: names.map((uniqueId) => ({ uniqueId, rate: 1 })) }).start();
    cluster = new TestCluster(simulator, testServers().redisUrl);
    await cluster.monitor(...names);
    cluster.start('a');
    const allAre = async (state: string) => {
      const statuses = await cluster.status();
      return names.every((name) => statuses.get(name)?.state === state);
    };
    await waitFor(() => allAre('live'), { what: 'all to be live' });
    simulator.fault({ kind: 'alwaysAlive', durationMs: 120_000 });
    const calls = cluster.signer.calls;
    for (const [n, room] of [...simulator.rooms()].entries()) {
      // Half of them end without an end message: their sockets are dropped.
      simulator.goOffline(room, n % 2 === 0);
      if (n % 2 === 1) simulator.fault({ kind: 'drop', uniqueId: room.uniqueId });
    }
    await waitFor(() => allAre('offline'), { what: 'all to be offline' });
    const published = async () => {
      const inboxes = await Promise.all(names.map((name) => cluster.inbox(name)));
      return inboxes.map((entries) => entries.filter(({ type }) => type.startsWith('monitor.')).map(({ type }) => type));
    };
    const before = await published();
    expect(before.map((types) => types.filter((type) => /live|offline/.test(type)))).toEqual(
      names.map(() => ['monitor.live', 'monitor.offline']),
    );
    const polled = simulator.requests.get('page') ?? 0;
    await waitFor(() => (simulator.requests.get('page') ?? 0) - polled > ENDED * POLLS, { what: 'many polls' });
    expect(await published()).toEqual(before);
    expect(cluster.signer.calls).toBe(calls);

    simulator.goLive(simulator.room('ended7')!);
    await waitFor(async () => (await cluster.status()).get('ended7')?.state === 'live', {
      timeoutMs: 3_000,
      what: 'the live one to be found',
    });
    expect(cluster.signer.calls).toBe(calls + 1);
  });
});
