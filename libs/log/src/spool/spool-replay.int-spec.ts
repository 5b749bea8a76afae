import { readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { waitFor } from '@tributary/testing';
import { LogKeys } from '../log-keys.js';
import { draft } from '../testing/drafts.js';
import type { LostPeriod } from './replay-losses.js';
import { CREATORS, FENCE, idsOf, SpoolHarness } from '../testing/spool-harness.js';

let harness: SpoolHarness;

beforeAll(async () => {
  harness = await SpoolHarness.open();
});
beforeEach(() => harness.reset());
afterEach(() => harness.settle());
afterAll(() => harness.close());

describe('a run that ended', () => {
  it('killed while Redis was away: the next start brings all that was spooled, in order, once, under its recorded run', async () => {
    await harness.hold();
    const child = await harness.child('run-killed');
    await child.ask({ do: 'append', creators: [...CREATORS], from: 1, to: 100, fence: FENCE });
    await waitFor(async () => (await child.ask({ do: 'stats' })).appended === 400);
    await harness.away();
    await child.ask({ do: 'append', creators: [...CREATORS], from: 101, to: 1_500, fence: FENCE });
    await waitFor(async () => (await child.ask({ do: 'stats' })).spool!.written === 1_500 * 4, {
      what: 'everything that is not stored to be on disk',
    });
    await child.kill9();
    expect(statSync(join(harness.dir, 'run-killed')).mode & 0o777).toBe(0o700);
    expect(harness.segments().length).toBe(2);
    for (const name of harness.segments()) expect(statSync(join(harness.dir, name)).mode & 0o777).toBe(0o600);
    await harness.back();
    const startedAt = performance.now();
    const producer = harness.producer();
    producer.append(draft(9_001, 'cr_1'), FENCE);
    await waitFor(() => harness.replays().length === 1);
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    expect(harness.replays()[0]).toMatchObject({ run: 'run-killed', refused: 0, torn: 0, corrupt: 0, lost: 0 });
    for (const id of CREATORS) {
      const ids = await harness.inbox(id);
      expect(ids.filter((name) => !name.endsWith('-9001'))).toEqual(idsOf(id, 1, 1_500));
    }
    // Kept until the store has it: Redis can lose what it acknowledged.
    expect(harness.segments().length).toBe(2);
    await harness.store();
    await waitFor(() => readdirSync(harness.dir).length === 0);
  });

  it('stopped while Redis was away: the next start brings what it could not append', async () => {
    await harness.hold();
    const producer = harness.producer();
    await harness.away();
    for (let n = 1; n <= 200; n += 1) for (const id of CREATORS) producer.append(draft(n, id), FENCE);
    expect(await producer.drain(AbortSignal.timeout(100))).toBe(false);
    await producer.stop();
    expect(producer.append(draft(201, 'cr_1'), FENCE)).toBe(false);
    await harness.back();
    harness.producer();
    await waitFor(() => harness.replays().length === 1);
    for (const id of CREATORS) expect(await harness.inbox(id)).toEqual(idsOf(id, 1, 200));
  });

  it('is replayed again after Redis was wiped, even though nobody holds its creators under their old fences any more', async () => {
    await harness.hold();
    await harness.killedWithSpool('run-wiped', 300);
    await harness.back();
    harness.producer();
    await waitFor(() => harness.replays().length === 1);
    await harness.redis.flushall();
    await harness.hold(CREATORS, '2000');
    await waitFor(async () => (await Promise.all(CREATORS.map((id) => harness.inbox(id)))).every((ids) => ids.length === 300));
    for (const id of CREATORS) expect(await harness.inbox(id)).toEqual(idsOf(id, 1, 300));
    await harness.store();
    await waitFor(() => readdirSync(harness.dir).length === 0);
  });

  it('is replayed by the next process when the first one stops halfway, with the verdicts so far', async () => {
    await harness.hold();
    await harness.killedWithSpool('run-twice', 300);
    await harness.back();
    const first = harness.producer();
    await waitFor(() => harness.replays().length === 1);
    await first.stop();
    await harness.redis.flushall();
    await harness.hold(CREATORS, '2000');
    harness.producer();
    await waitFor(() => harness.replays().length === 2);
    for (const id of CREATORS) expect(await harness.inbox(id)).toEqual(idsOf(id, 1, 300));
    expect(harness.replays()[1]).toMatchObject({ run: 'run-twice', events: 1_200, refused: 0 });
  });

  it('is refused for creators with a new holder: those events are counted and deleted, the others are accepted', async () => {
    await harness.hold();
    await harness.killedWithSpool('run-late', 50);
    await harness.back();
    await harness.hold(['cr_1'], '2000');
    const producer = harness.producer();
    await waitFor(() => harness.replays().length === 1);
    expect(harness.replays()[0]).toMatchObject({ run: 'run-late', events: 200, replayed: 150, refused: 50, abandoned: 0 });
    expect(producer.stats().spool).toMatchObject({ runs: 1, replayed: 150, refused: 50 });
    expect(await harness.inbox('cr_1')).toEqual([]);
    await harness.store();
    await waitFor(() => readdirSync(harness.dir).length === 0, { what: 'refused events to be deleted' });
  });

  it('waits for a lease that is not recorded, and gives those events up after a bounded time', async () => {
    await harness.killedWithSpool('run-leaseless', 50);
    await harness.back();
    await harness.hold(['cr_2']);
    harness.producer({}, { noLeaseMsMax: 1_000 });
    await waitFor(() => harness.logged.some(({ status }) => status === 'NOLEASE'));
    await harness.hold(['cr_3']);
    await waitFor(() => harness.replays().length === 1);
    expect(harness.replays()[0]).toMatchObject({ replayed: 100, abandoned: 100, refused: 0 });
    expect(await harness.inbox('cr_3')).toEqual(idsOf('cr_3', 1, 50));
    expect(await harness.inbox('cr_1')).toEqual([]);
  });

  it('with a torn end: everything before it is replayed, and it is counted', async () => {
    await harness.hold();
    await harness.killedWithSpool('run-torn', 200);
    const [segment] = harness.segments();
    truncateSync(join(harness.dir, segment!), statSync(join(harness.dir, segment!)).size - 3);
    await harness.back();
    harness.producer();
    await waitFor(() => harness.replays().length === 1);
    expect(harness.replays()[0]).toMatchObject({ replayed: 799, torn: 1, corrupt: 0, lost: 0 });
    const counts = await Promise.all(CREATORS.map(async (id) => (await harness.inbox(id)).length));
    expect(counts.reduce((sum, count) => sum + count)).toBe(799);
  });

  it('with a damaged segment: the rest of that segment is lost, logged and counted, and later segments are replayed', async () => {
    await harness.hold();
    await harness.killedWithSpool('run-corrupt', 800, 40_000);
    const ofOnePartition = harness.segments().filter((name) => name.includes('/0-'));
    expect(ofOnePartition.length).toBeGreaterThan(1);
    const path = join(harness.dir, ofOnePartition[0]!);
    const bytes = readFileSync(path);
    bytes[bytes.length >> 1]! ^= 0xff;
    writeFileSync(path, bytes);
    await harness.back();
    harness.producer();
    // Events after the damage are taken once those before it are stored.
    await waitFor(async () => {
      await harness.store();
      return harness.replays().length === 1;
    });
    const [told] = harness.replays();
    expect(told).toMatchObject({ corrupt: 1, torn: 0, refused: 0 });
    const lost = Number(told!.lost);
    expect(lost).toBeGreaterThan(0);
    expect(told!.replayed).toBe(3_200 - lost);
    expect(harness.errors()).toEqual([
      'a spooled segment is damaged; the rest of it is not used',
      'spooled events cannot be read back; they are lost',
    ]);
    let present = 0;
    for (const id of CREATORS) {
      const numbers = (await harness.inbox(id)).map((name) => Number(name.split('-').at(-1)));
      expect(numbers).toEqual([...new Set(numbers)].sort((one, other) => one - other));
      expect(numbers.at(-1)).toBe(800);
      present += numbers.length;
    }
    expect(present).toBe(3_200 - lost);
    await harness.store();
    await waitFor(() => readdirSync(harness.dir).length === 0);
  });

  it('with a first segment that cannot be read at all: the loss begins where Redis knows of the last event before', async () => {
    await harness.hold();
    await harness.killedWithSpool('run-headless', 800, 40_000);
    const [first, ...rest] = harness.segments().filter((name) => name.includes('/0-'));
    expect(rest.length).toBeGreaterThan(0);
    writeFileSync(join(harness.dir, first!), 'of another kind');
    await harness.back();
    const concerned = CREATORS.filter((id) => harness.keys.partitionOf(id) === 0);
    for (const id of concerned) await harness.redis.hset(harness.keys.last(0), id, '12345');
    const stretches: LostPeriod[] = [];
    harness.producer({ onReplayLost: (stretch) => stretches.push(stretch) });
    await waitFor(() => harness.replays().length === 1);
    const [, fields = []] = (await harness.redis.xrange(harness.keys.inbox(0), '-', '+', 'COUNT', 1))[0] ?? [];
    const to = Number(fields[fields.indexOf('at') + 1]);
    expect(stretches.map(({ creatorId }) => creatorId).sort()).toEqual(concerned);
    for (const stretch of stretches) expect(stretch).toMatchObject({ fence: FENCE, from: 12_345, to });
  });

  it('does not delay events of the living run', async () => {
    await harness.hold();
    await harness.killedWithSpool('run-big', 10_000);
    await harness.back();
    const producer = harness.producer();
    await waitFor(() => producer.stats().spool!.waiting > 0);
    const delays: number[] = [];
    while (producer.stats().spool!.waiting > 0) {
      const startedAt = performance.now();
      producer.append(draft(20_000 + delays.length, 'cr_1'), FENCE);
      await producer.drain(AbortSignal.timeout(5_000));
      delays.push(performance.now() - startedAt);
    }
    expect(delays.length).toBeGreaterThan(3);
    expect(Math.max(...delays)).toBeLessThan(1_000);
    expect((await harness.inbox('cr_2')).length).toBe(10_000);
  });
});

describe('producers that share a folder', () => {
  it('never replay what a living one has spooled', async () => {
    await harness.hold();
    const child = await harness.child('run-living');
    const one = harness.producer();
    await harness.away();
    await child.ask({ do: 'append', creators: ['cr_1'], from: 1, to: 100, fence: FENCE });
    for (let n = 1; n <= 100; n += 1) one.append(draft(n, 'cr_2'), FENCE);
    await waitFor(async () => (await child.ask({ do: 'stats' })).spool!.written === 100 && one.stats().spool!.written === 100);
    const two = harness.producer();
    // Two looks at the folder.
    const startedAt = performance.now();
    await waitFor(() => performance.now() - startedAt > 2_200);
    expect(readdirSync(harness.dir).length).toBe(2);
    await harness.back();
    await waitFor(async () => (await child.ask({ do: 'stats' })).appended === 100 && one.stats().appended === 100);
    expect([one, two].map((producer) => producer.stats().spool!.runs)).toEqual([0, 0]);
    expect(await harness.inbox('cr_1')).toEqual(idsOf('cr_1', 1, 100));
    expect(await harness.inbox('cr_2')).toEqual(idsOf('cr_2', 1, 100));
  });

  it('share a dead one: exactly one of them replays it', async () => {
    await harness.hold();
    await harness.killedWithSpool('run-shared', 100);
    await harness.back();
    const both = [harness.producer(), harness.producer()];
    await waitFor(() => harness.replays().length === 1);
    await harness.store();
    await waitFor(() => readdirSync(harness.dir).length === 0);
    expect(both.map((producer) => producer.stats().spool!.runs).sort()).toEqual([0, 1]);
    expect(harness.replays()).toHaveLength(1);
    for (const id of CREATORS) expect(await harness.inbox(id)).toEqual(idsOf(id, 1, 100));
  });

  it('leave alone what belongs to another prefix', async () => {
    await harness.hold();
    await harness.killedWithSpool('run-foreign', 10);
    await harness.back();
    harness.keys = new LogKeys(`${harness.keys.prefix}-other`, 2);
    harness.producer();
    await waitFor(() => harness.logged.some(({ message }) => message.includes('another REDIS_PREFIX')));
    expect(harness.segments().length).toBe(2);
  });
});
