import { readdirSync, writeFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { waitFor } from '@tributary/testing';
import { InboxReader, type Positions } from '../reader/inbox-reader.js';
import { draft } from '../testing/drafts.js';
import { CREATORS, FENCE, idsOf, SpoolHarness } from '../testing/spool-harness.js';
import { openSegmentFile, type SegmentFile } from './partition-log.js';

let harness: SpoolHarness;

beforeAll(async () => {
  harness = await SpoolHarness.open();
});
beforeEach(() => harness.reset());
afterEach(() => harness.settle());
afterAll(() => harness.close());

describe('while Redis accepts everything', () => {
  it('makes no file, however much passes through', async () => {
    await harness.hold();
    const producer = harness.producer();
    for (let n = 1; n <= 5_000; n += 1) {
      for (const id of CREATORS) producer.append(draft(n, id), FENCE);
      // No event may wait for a second, on a busy machine neither.
      if (n % 200 === 0) expect(await producer.drain(AbortSignal.timeout(20_000))).toBe(true);
    }
    await harness.store();
    expect(await producer.confirmed(AbortSignal.timeout(5_000))).toBe(true);
    expect(readdirSync(harness.dir)).toEqual([]);
    await producer.stop();
    expect(readdirSync(harness.dir)).toEqual([]);
    expect(producer.stats().spool).toMatchObject({ written: 0, bytes: 0 });
  });
});

describe('while Redis does not take events', () => {
  it('memory stays bounded: what is on disk leaves it, and comes back in order, once', async () => {
    await harness.hold();
    const producer = harness.producer({ retainBytesMax: 2_000_000 });
    await harness.away();
    for (let n = 1; n <= 5_000; n += 1) {
      for (const id of CREATORS) {
        await waitFor(() => producer.append(draft(n, id, 'x'.repeat(400)), FENCE), { what: 'room in memory' });
      }
    }
    await waitFor(() => producer.stats().bytes <= 1_000_000, { what: 'memory to be evicted' });
    expect(producer.stats().spool!.bytes).toBeGreaterThan(8_000_000);
    await harness.back();
    expect(await producer.drain(AbortSignal.timeout(25_000))).toBe(true);
    for (const id of CREATORS) expect(await harness.inbox(id)).toEqual(idsOf(id, 1, 5_000));
    await harness.store();
    expect(await producer.confirmed(AbortSignal.timeout(5_000))).toBe(true);
    await waitFor(() => readdirSync(harness.dir).length === 0, { what: 'nothing to be left on disk' });
    expect(producer.stats()).toMatchObject({ lost: 0, refused: 0, bytes: 0 });
  });

  it('a full inbox is no loss: events wait on disk and go in as room is made', async () => {
    await harness.hold();
    const producer = harness.producer({ retainBytesMax: 1_000_000, inboxBytesMax: 400_000 });
    for (let n = 1; n <= 2_000; n += 1) {
      for (const id of CREATORS) await waitFor(() => producer.append(draft(n, id, 'x'.repeat(200)), FENCE), { what: 'room in memory' });
    }
    expect(producer.stats().spool!.written).toBeGreaterThan(0);
    const seen = new Map<string, string[]>(CREATORS.map((id) => [id, []]));
    const reader = new InboxReader({ redis: harness.redis, keys: harness.keys, batchEntriesMax: 1_000, keepMs: 0, inboxBytesMax: 400_000 });
    let positions: Positions = {};
    await waitFor(async () => {
      const batch = await reader.read(positions);
      for (const { fields } of batch.entries) seen.get(fields.creator!)!.push(fields.id!);
      positions = batch.to;
      await reader.confirm(batch);
      await reader.trim(positions);
      return producer.stats().confirmed === 8_000;
    });
    for (const id of CREATORS) expect(seen.get(id)).toEqual(idsOf(id, 1, 2_000));
  });

  it('a spool and memory that are full refuse events, keep those that they accepted, and accept events again afterwards', async () => {
    await harness.hold();
    const producer = harness.producer({ retainBytesMax: 500_000 }, { bytesMax: 1_000_000 });
    await harness.away();
    const taken: string[] = [];
    let n = 0;
    await waitFor(
      () => {
        n += 1;
        const event = draft(n, 'cr_1', 'x'.repeat(400));
        if (producer.append(event, FENCE)) taken.push(event.id);
        return producer.spoolProblem() && producer.stats().turnedAway > 100;
      },
      { everyMs: 0 },
    );
    expect(producer.spoolProblem()).toMatch(/^the spool is full \(\d+ bytes\)$/);
    expect(producer.stats().spool!.bytes).toBeLessThanOrEqual(1_000_000);
    await harness.back();
    await waitFor(() => producer.stats().appended === taken.length);
    await harness.store();
    expect(await producer.confirmed(AbortSignal.timeout(5_000))).toBe(true);
    await waitFor(() => producer.append(draft(n + 1, 'cr_1'), FENCE));
    expect(await producer.drain(AbortSignal.timeout(5_000))).toBe(true);
    expect(await harness.inbox('cr_1')).toEqual([...taken, draft(n + 1, 'cr_1').id]);
    await waitFor(() => producer.spoolProblem() === undefined);
  });

  it('a store that lags behind fills the disk, not the memory', async () => {
    await harness.hold();
    const producer = harness.producer({ retainBytesMax: 1_000_000 });
    for (let n = 1; n <= 3_000; n += 1) await waitFor(() => producer.append(draft(n, 'cr_1', 'x'.repeat(400)), FENCE));
    expect(await producer.drain(AbortSignal.timeout(10_000))).toBe(true);
    await waitFor(() => producer.stats().bytes <= 500_000);
    // Redis loses all of it, and the creator moves: what was accepted once is sent again from disk.
    await harness.redis.flushall();
    await harness.hold(CREATORS, '2000');
    await waitFor(async () => (await harness.inbox('cr_1')).length === 3_000);
    expect(await harness.inbox('cr_1')).toEqual(idsOf('cr_1', 1, 3_000));
    expect(harness.refused).toEqual([]);
    await harness.store();
    expect(await producer.confirmed(AbortSignal.timeout(5_000))).toBe(true);
    await waitFor(() => readdirSync(harness.dir).length === 0);
  });

  it('a disk that hangs blocks no other work: events are accepted until memory is full, and a stop ends in time', async () => {
    await harness.hold();
    let isHanging = false;
    const release: (() => void)[] = [];
    const openSegment = async (path: string): Promise<SegmentFile> => {
      const file = await openSegmentFile(path);
      const write = async (bytes: Buffer) => {
        if (isHanging) await new Promise<void>((resolve) => release.push(resolve));
        await file.write(bytes);
      };
      return { ...file, write };
    };
    const producer = harness.producer({ retainBytesMax: 500_000 }, { openSegment });
    isHanging = true;
    await harness.away();
    let longestMs = 0;
    for (let n = 1; producer.append(draft(n, 'cr_1'), FENCE); n += 1) {
      const startedAt = performance.now();
      await new Promise((resolve) => setImmediate(resolve));
      longestMs = Math.max(longestMs, performance.now() - startedAt);
    }
    expect(release.length).toBeLessThanOrEqual(1);
    expect(longestMs).toBeLessThan(2_000);
    const stoppedAt = performance.now();
    await producer.stop();
    expect(performance.now() - stoppedAt).toBeLessThan(9_000);
    expect(harness.errors()).toEqual(['events that Redis has not taken could not all be spooled; these are lost']);
    isHanging = false;
    for (const go of release) go();
  });

  it('a disk that fails in the middle of a write is written again, with nothing lost and nothing twice', async () => {
    await harness.hold();
    let failures = 0;
    const openSegment = async (path: string): Promise<SegmentFile> => {
      const file = await openSegmentFile(path);
      let writes = 0;
      const write = async (bytes: Buffer) => {
        writes += 1;
        if (writes === 3 && failures < 3) {
          failures += 1;
          await file.write(bytes.subarray(0, bytes.length / 2));
          throw new Error('ENOSPC: no space left on device');
        }
        await file.write(bytes);
      };
      return { ...file, write };
    };
    const run = 'run-failing-disk';
    const producer = harness.producer({ run }, { openSegment });
    await harness.away();
    for (let n = 1; n <= 3_000; n += 1) producer.append(draft(n, 'cr_1'), FENCE);
    await waitFor(() => producer.stats().spool!.written >= 3_000);
    expect(failures).toBe(3);
    await producer.stop();
    await harness.back();
    harness.producer();
    await waitFor(async () => (await harness.inbox('cr_1')).length >= 3_000);
    expect(await harness.inbox('cr_1')).toEqual(idsOf('cr_1', 1, 3_000));
  });
});

describe('a folder that cannot be used', () => {
  it('is logged at once and shown in readiness, and events stay in memory', async () => {
    await harness.hold();
    writeFileSync(harness.dir, 'not a folder');
    const producer = harness.producer();
    await waitFor(() => producer.spoolProblem());
    expect(producer.spoolProblem()).toMatch(/^the spool cannot be used: /);
    expect(harness.errors()).toEqual(['SPOOL_DIR cannot be used; events that Redis does not take stay in memory']);
    await harness.away();
    for (let n = 1; n <= 50; n += 1) expect(producer.append(draft(n, 'cr_1'), FENCE)).toBe(true);
    await harness.back();
    expect(await producer.drain(AbortSignal.timeout(10_000))).toBe(true);
    expect(await harness.inbox('cr_1')).toEqual(idsOf('cr_1', 1, 50));
  });
});
