import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { type FaultProxy, Simulator, startProxy, startRedis, type SuiteServer, waitFor } from '@tributary/testing';
import type { Config } from '@tributary/runtime';
import { account, House, type TestWorker } from './testing/house.js';

jest.setTimeout(90_000);

let server: SuiteServer;
let house: House;
let proxy: FaultProxy;
let spoolDir: string;

beforeAll(async () => {
  server = await startRedis({ appendonly: 'always' });
});
beforeEach(async () => {
  spoolDir = mkdtempSync(join(tmpdir(), 'ingest-spool-'));
  proxy = await startProxy(server.url);
});
afterEach(async () => {
  proxy.heal();
  await house.close();
  await proxy.close();
  rmSync(spoolDir, { recursive: true });
});
afterAll(async () => {
  await server.remove();
});

const HANDLES = ['one', 'two', 'three'];

async function open(settings: Partial<Config>, rate: number): Promise<TestWorker> {
  const simulator = await new Simulator({ rooms: HANDLES.map((uniqueId) => ({ uniqueId, rate })) }).start();
  house = new House(simulator, server.url, { spoolDir, leaseTtlMs: 60_000, ...settings });
  await house.monitor(...HANDLES);
  const worker = house.start('a', proxy.url);
  for (const handle of HANDLES) await waitFor(async () => (await house.inbox(handle)).length > 20, { timeoutMs: 20_000, what: 'messages' });
  return worker;
}

async function metric({ metrics }: TestWorker, name: string): Promise<number> {
  const line = (await metrics.metrics()).split('\n').find((text) => text.startsWith(`${name}{`));
  return Number(line?.split(' ').at(-1));
}

const quiet = () => {
  for (const room of house.simulator.rooms()) room.rate = 0;
};

describe('a worker with a spool', () => {
  it('loses nothing while Redis is away for longer than memory holds, and records no gap', async () => {
    const worker = await open({ retainBytesMax: 1_048_576 }, 200);
    proxy.refuse();
    await waitFor(async () => (await metric(worker, 'tributary_ingest_spool_bytes')) > 2_500_000, {
      timeoutMs: 40_000,
      what: 'more on disk than memory may hold',
    });
    expect(await metric(worker, 'tributary_ingest_memory_bytes')).toBeLessThanOrEqual(1_048_576);
    proxy.heal();
    quiet();
    for (const handle of HANDLES) {
      await waitFor(async () => (await account(house, handle)).missing.length === 0, { timeoutMs: 30_000, what: 'everything to arrive' });
      expect(await account(house, handle)).toMatchObject({ missing: [], inGaps: 0, twice: [], orderFaults: 0, gaps: [] });
    }
    await waitFor(
      async () => {
        await house.confirm();
        return readdirSync(spoolDir).length === 0;
      },
      { what: 'nothing to be left on disk' },
    );
    expect((await worker.readiness.judge()).checks).toMatchObject({ spool: 'ok', memory: 'ok', inbox: 'ok', store: 'ok' });
  });

  it('that is stopped while Redis is away leaves its events to the next one, and the rest is a told gap', async () => {
    const worker = await open({ leaseTtlMs: 2_000 }, 50);
    proxy.refuse();
    await waitFor(async () => (await metric(worker, 'tributary_ingest_spool_bytes')) > 100_000, { timeoutMs: 30_000 });
    const startedAt = performance.now();
    await house.stop(worker);
    expect(performance.now() - startedAt).toBeLessThan(9_000);
    expect(readdirSync(spoolDir)).toHaveLength(1);
    proxy.heal();
    const next = house.start('b');
    await waitFor(async () => [...(await house.status()).values()].every(({ worker: name, state }) => name === 'b' && state === 'live'), {
      timeoutMs: 30_000,
      what: 'the next worker to have them',
    });
    expect(next.worker.name).toBe('b');
    quiet();
    for (const handle of HANDLES) {
      await waitFor(async () => (await account(house, handle)).missing.length === 0, { timeoutMs: 20_000, what: 'the account' });
      const result = await account(house, handle);
      expect(result).toMatchObject({ missing: [], twice: [], orderFaults: 0 });
      expect(result.gaps.length).toBeGreaterThan(0);
      // What was received before the stop is there, and not in the gap.
      const runs = new Set((await house.inbox(handle)).map(({ run }) => run.split('-')[0]));
      expect(runs).toEqual(new Set(['a', 'b']));
    }
  });

  it('whose disk and memory fill up leaves sockets unread first, without taking them for silent, and then records what it drops', async () => {
    const worker = await open({ retainBytesMax: 1_048_576, spoolBytesMax: 500_000, silenceMs: 2_000 }, 100);
    const connections = house.simulator.stats().connectionsTotal;
    proxy.refuse();
    await waitFor(async () => (await metric(worker, 'tributary_ingest_paused')) === 1, { timeoutMs: 30_000, what: 'sockets to be paused' });
    expect((await worker.readiness.judge()).checks).toMatchObject({ memory: 'ok', spool: expect.stringMatching(/^the spool is full/) });
    await waitFor(async () => (await metric(worker, 'tributary_ingest_paused')) === 0, {
      timeoutMs: 20_000,
      what: 'the longest pause to end',
    });
    expect(house.simulator.stats().connectionsTotal).toBe(connections);
    await waitFor(async () => /were not taken: memory is full/.test((await worker.readiness.judge()).checks.memory ?? ''), {
      timeoutMs: 20_000,
    });
    const quietAt = Date.now();
    quiet();
    proxy.heal();
    for (const handle of HANDLES) {
      await waitFor(
        async () => {
          await house.confirm();
          return (await account(house, handle)).missing.length === 0;
        },
        { timeoutMs: 30_000, what: 'the gap to be told' },
      );
      const result = await account(house, handle);
      expect(result).toMatchObject({ missing: [], twice: [], orderFaults: 0 });
      expect(result.inGaps).toBeGreaterThan(0);
      // A stream in which nothing comes any more is replaced in the end, and rightly so.
      const lost = result.gaps.filter(({ from }) => from < quietAt - 1_000);
      expect(new Set(lost.map(({ reason }) => reason))).toEqual(new Set(['buffer-full']));
    }
  });
});
