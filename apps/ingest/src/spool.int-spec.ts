import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { type FaultProxy, Simulator, startProxy, startRedis, type SuiteServer, waitFor } from '@tributary/testing';
import { InboxProducer } from '@tributary/log';
import { type Config, createRedis } from '@tributary/runtime';
import { account, TestCluster, type TestWorker } from './testing/test-cluster.js';

jest.setTimeout(90_000);

let server: SuiteServer;
let cluster: TestCluster;
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
  await cluster.close();
  await proxy.close();
  rmSync(spoolDir, { recursive: true });
});
afterAll(async () => {
  await server.remove();
});

const HANDLES = ['one', 'two', 'three'];

async function open(settings: Partial<Config>, rate: number): Promise<TestWorker> {
  const simulator = await new Simulator({ rooms: HANDLES.map((uniqueId) => ({ uniqueId, rate })) }).start();
  cluster = new TestCluster(simulator, server.url, { spoolDir, leaseTtlMs: 60_000, ...settings });
  await cluster.monitor(...HANDLES);
  const worker = cluster.start('a', proxy.url);
  for (const handle of HANDLES) await waitFor(async () => (await cluster.inbox(handle)).length > 20, { what: 'messages' });
  return worker;
}

async function metric({ metrics }: TestWorker, name: string): Promise<number> {
  const line = (await metrics.metrics()).split('\n').find((text) => text.startsWith(`${name}{`));
  return Number(line?.split(' ').at(-1));
}

const quiet = () => {
  for (const room of cluster.simulator.rooms()) room.rate = 0;
};

describe('a worker with a spool', () => {
  it('loses nothing while Redis is away for longer than memory holds, and records no gap', async () => {
    const worker = await open({ retainBytesMax: 1_048_576 }, 200);
    proxy.refuse();
    await waitFor(async () => (await metric(worker, 'tributary_ingest_spool_bytes')) > 1_500_000, {
      timeoutMs: 90_000,
      what: 'more on disk than memory may hold',
    });
    expect(await metric(worker, 'tributary_ingest_memory_bytes')).toBeLessThanOrEqual(1_048_576);
    proxy.heal();
    quiet();
    for (const handle of HANDLES) {
      await waitFor(async () => (await account(cluster, handle)).missing.length === 0, { what: 'everything to arrive' });
      expect(await account(cluster, handle)).toMatchObject({ missing: [], inGaps: 0, twice: [], orderFaults: 0, gaps: [] });
    }
    await waitFor(
      async () => {
        await cluster.confirm();
        return readdirSync(spoolDir).length === 0;
      },
      { what: 'nothing to be left on disk' },
    );
    expect((await worker.readiness.judge()).checks).toMatchObject({ spool: 'ok', memory: 'ok', inbox: 'ok', store: 'ok' });
  });

  it('that is stopped while Redis is away leaves its events to the next worker, and the rest is a gap', async () => {
    const worker = await open({ leaseTtlMs: 2_000 }, 50);
    proxy.refuse();
    await waitFor(async () => (await metric(worker, 'tributary_ingest_spool_bytes')) > 100_000);
    const startedAt = performance.now();
    await cluster.stop(worker);
    expect(performance.now() - startedAt).toBeLessThan(9_000);
    expect(readdirSync(spoolDir)).toHaveLength(1);
    proxy.heal();
    const next = cluster.start('b');
    await waitFor(async () => [...(await cluster.status()).values()].every(({ worker: name, state }) => name === 'b' && state === 'live'), {
      what: 'the next worker to have them',
    });
    expect(next.worker.name).toBe('b');
    quiet();
    for (const handle of HANDLES) {
      await waitFor(async () => (await account(cluster, handle)).missing.length === 0, { what: 'the account' });
      const result = await account(cluster, handle);
      expect(result).toMatchObject({ missing: [], twice: [], orderFaults: 0 });
      expect(result.gaps.length).toBeGreaterThan(0);
      // What was received before the stop is there, and not in the gap.
      const runs = new Set((await cluster.inbox(handle)).map(({ run }) => run.split('-')[0]));
      expect(runs).toEqual(new Set(['a', 'b']));
    }
  });

  it('whose disk and memory fill up pauses sockets first, without calling them silent, and then records what it drops as a gap', async () => {
    const worker = await open({ retainBytesMax: 1_048_576, spoolBytesMax: 500_000, silenceMs: 2_000 }, 100);
    const connections = cluster.simulator.stats().connectionsTotal;
    proxy.refuse();
    await waitFor(async () => (await metric(worker, 'tributary_ingest_paused')) === 1, { what: 'sockets to be paused' });
    const isFull = ({ memory, spool = '' }: Record<string, string | undefined>) => memory === 'ok' && spool.startsWith('the spool is full');
    await waitFor(async () => isFull((await worker.readiness.judge()).checks), { what: 'the spool to be full, and nothing dropped yet' });
    await waitFor(async () => (await metric(worker, 'tributary_ingest_paused')) === 0, { what: 'the longest pause to end' });
    expect(cluster.simulator.stats().connectionsTotal).toBe(connections);
    await waitFor(async () => /were not taken: memory is full/.test((await worker.readiness.judge()).checks.memory ?? ''));
    const quietAt = Date.now();
    quiet();
    proxy.heal();
    for (const handle of HANDLES) {
      await waitFor(
        async () => {
          await cluster.confirm();
          return (await account(cluster, handle)).missing.length === 0;
        },
        { what: 'the gap' },
      );
      const result = await account(cluster, handle);
      expect(result).toMatchObject({ missing: [], twice: [], orderFaults: 0 });
      expect(result.inGaps).toBeGreaterThan(0);
      // The stream is quiet from here on, so the silence detector replaces it, and rightly so.
      const lost = result.gaps.filter(({ from }) => from < quietAt - 1_000);
      expect(new Set(lost.map(({ reason }) => reason))).toEqual(new Set(['buffer-full']));
    }
  });
});

/** A dead run that has spooled `events` of each creator, a second apart from `start` on, in segments of 10 kB. */
async function leaveSpool(run: string, creators: readonly string[], fence: string, start: number, events: number): Promise<void> {
  proxy.refuse();
  const silent = () => undefined;
  const logger = { trace: silent, debug: silent, info: silent, warn: silent, error: silent };
  const redis = createRedis(proxy.url, logger, { name: run });
  const producer = new InboxProducer({
    redis,
    keys: cluster.keys,
    run,
    flushMs: 1,
    retainBytesMax: 50_000_000,
    inboxBytesMax: 0,
    spool: { dir: spoolDir, bytesMax: 50_000_000, segmentBytesMax: 10_000 },
    logger,
    onRefused: silent,
  });
  producer.start();
  producer.secure();
  for (let n = 1; n <= events; n += 1) {
    for (const creatorId of creators) {
      const at = start + n * 1_000;
      const handle = creatorId.slice(3);
      const event = { type: 'tiktok.live.chat', creatorId, handle, roomId: '7', time: at, receivedAt: at, data: { comment: 'a' } } as const;
      producer.append({ ...event, id: `7-${creatorId}-${n}` }, fence);
      // One write is never split into segments.
      if (n % 25 === 0) await waitFor(() => producer.stats().spool!.written >= (n - 1) * creators.length, { everyMs: 5 });
    }
  }
  await producer.stop();
  redis.disconnect();
}

describe('the spool of a dead run with a damaged segment in its middle', () => {
  it('is replayed without it: a gap covers what is missing of each creator, and nothing is appended twice', async () => {
    cluster = new TestCluster(await new Simulator({ rooms: [] }).start(), server.url, { spoolDir, leaseTtlMs: 60_000, partitions: 1 });
    await cluster.monitor('one', 'two', 'silent');
    const leaseOf = (fence: string) => `${fence} another ${Date.now() + 60_000}`;
    const fence = '1700000000000000';
    for (const id of ['cr_one', 'cr_silent']) await cluster.redis.hset(cluster.keys.leases(0), id, leaseOf(fence));
    await cluster.redis.hset(cluster.keys.leases(0), 'cr_two', leaseOf('1700000000000001'));
    const start = Date.now() - 1_000_000;
    await leaveSpool('dead', ['cr_one', 'cr_two'], fence, start, 300);
    const segments = readdirSync(join(spoolDir, 'dead'))
      .filter((name) => name.endsWith('.seg'))
      .sort();
    expect(segments.length).toBeGreaterThan(4);
    const damaged = join(spoolDir, 'dead', segments[segments.length >> 1]!);
    const bytes = readFileSync(damaged);
    bytes[bytes.length >> 1]! ^= 0xff;
    writeFileSync(damaged, bytes);
    proxy.heal();
    cluster.start('b');

    const numbersOf = async (handle: string) =>
      (await cluster.inbox(handle)).filter(({ type }) => type === 'tiktok.live.chat').map(({ id }) => Number(id.split('-')[2]));
    const gapsOf = async (handle: string) =>
      (await cluster.inbox(handle)).flatMap(({ type, data }) =>
        type === 'monitor.gap' ? [data as { from: string; to: string; reason: string }] : [],
      );
    await waitFor(
      async () => {
        await cluster.confirm();
        return (await numbersOf('one')).at(-1) === 300 && (await gapsOf('silent')).length > 0;
      },
      { what: 'what lies behind the damage, and the gaps' },
    );
    const numbers = await numbersOf('one');
    expect(numbers).toEqual([...new Set(numbers)].sort((one, other) => one - other));
    const missing = Array.from({ length: 300 }, (_, at) => at + 1).filter((n) => !numbers.includes(n));
    expect(missing.length).toBeGreaterThan(10);
    for (const handle of ['one', 'two', 'silent']) {
      const [gap, ...more] = await gapsOf(handle);
      expect(more).toEqual([]);
      expect(gap).toMatchObject({ reason: 'buffer-full' });
      // From the last that is there to the first that is there again.
      expect(Date.parse(gap!.from)).toBeLessThanOrEqual(start + missing[0]! * 1_000);
      expect(Date.parse(gap!.to)).toBeGreaterThanOrEqual(start + missing.at(-1)! * 1_000);
      expect(Date.parse(gap!.from)).toBeGreaterThanOrEqual(start + (missing[0]! - 1) * 1_000);
      expect(Date.parse(gap!.to)).toBeLessThanOrEqual(start + (missing.at(-1)! + 1) * 1_000);
    }
  });
});
