import { existsSync, readdirSync, renameSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { waitFor } from '@tributary/testing';
import type { InboxProducer } from '../producer/inbox-producer.js';
import { draft } from '../testing/drafts.js';
import type { ProducerProcess } from '../testing/producer-process.js';
import { FENCE, idsOf, SpoolHarness } from '../testing/spool-harness.js';

jest.setTimeout(60_000);

/** Little memory: what is on disk leaves it. */
const RETAIN_BYTES = 3_000_000;
const EVENTS = 12_000;

let harness: SpoolHarness;

beforeAll(async () => {
  harness = await SpoolHarness.open();
});
beforeEach(() => harness.reset());
afterEach(() => harness.settle());
afterAll(() => harness.close());

/** A run whose first event is stored, and all others of which are spooled, most of them evicted from memory. */
async function spooling(): Promise<InboxProducer> {
  await harness.hold();
  const first = harness.producer({ run: 'run-first', retainBytesMax: RETAIN_BYTES });
  first.append(draft(1, 'cr_1'), FENCE);
  await waitFor(() => first.stats().appended === 1);
  await harness.store();
  await waitFor(() => first.stats().confirmed === 1);
  await harness.away();
  for (let n = 2; n <= EVENTS; n += 1) await waitFor(() => first.append(draft(n, 'cr_1'), FENCE), { what: 'room in memory' });
  await waitFor(() => first.stats().spool!.written >= EVENTS - 1, { timeoutMs: 60_000, what: 'all on disk' });
  harness.moveAway('run-first');
  return first;
}

async function frozen(): Promise<ProducerProcess> {
  await harness.hold();
  const child = await harness.child('run-first', undefined, RETAIN_BYTES);
  await child.ask({ do: 'append', creators: ['cr_1'], from: 1, to: 1, fence: FENCE });
  await waitFor(async () => (await child.ask({ do: 'stats' })).appended === 1);
  await harness.store();
  await waitFor(async () => (await child.ask({ do: 'stats' })).confirmed === 1);
  await harness.away();
  await child.ask({ do: 'append', creators: ['cr_1'], from: 2, to: EVENTS, fence: FENCE });
  await waitFor(async () => (await child.ask({ do: 'stats' })).spool!.written >= EVENTS - 1, { timeoutMs: 60_000, what: 'all on disk' });
  harness.moveAway('run-first');
  child.freeze();
  return child;
}

/** Ids of the creator in the order in which a store, which knows ids, stores them. */
const stored = async (): Promise<string[]> => [...new Set(await harness.inbox('cr_1'))];

const everything = (to = EVENTS) =>
  waitFor(
    async () => {
      await harness.store();
      return (await stored()).length >= to;
    },
    { timeoutMs: 90_000, what: 'everything to be in the inbox' },
  );

describe('the spool of a living run', () => {
  it("is not taken for a time in its mark that is another clock's, and nothing is lost", async () => {
    const first = await spooling();
    await harness.back();
    await harness.away();
    const second = harness.producer({ run: 'run-second' });
    const endAt = performance.now() + 7_000;
    await waitFor(
      () => {
        const path = join(harness.dir, 'run-first', 'owner.json');
        const at = Date.now() / 1000 - 6;
        if (existsSync(path)) utimesSync(path, at, at);
        return performance.now() > endAt;
      },
      { everyMs: 1 },
    );
    expect(readdirSync(harness.dir)).toEqual(['run-first']);
    await harness.back();
    await harness.hold();
    await everything();
    expect(await stored()).toEqual(idsOf('cr_1', 1, EVENTS));
    expect(second.stats().spool!.runs).toBe(0);
    expect(first.stats().lost).toBe(0);
  });

  it('is taken while its process is stopped: both processes append their events in order, and nothing is lost', async () => {
    const child = await frozen();
    const second = harness.producer({ run: 'run-second' });
    await harness.back();
    await harness.hold();
    await waitFor(() => second.stats().spool!.runs === 1, { timeoutMs: 60_000, what: 'the folder to be taken' });
    child.thaw();
    await child.ask({ do: 'append', creators: ['cr_1'], from: EVENTS + 1, to: EVENTS + 500, fence: FENCE });
    await everything(EVENTS + 500);
    expect(await stored()).toEqual(idsOf('cr_1', 1, EVENTS + 500));
    await waitFor(
      async () => {
        await harness.store();
        const { taken, confirmed } = await child.ask({ do: 'stats' });
        return taken === EVENTS + 500 && confirmed === taken && readdirSync(harness.dir).length === 0;
      },
      { timeoutMs: 60_000, what: 'both to be done' },
    );
    expect(harness.errors()).toEqual([]);
  });

  it('is taken in the middle of a write: events written to files that another process has stay in memory', async () => {
    const first = await spooling();
    renameSync(join(harness.dir, 'run-first'), join(harness.dir, 'run-first@run-gone'));
    for (let n = EVENTS + 1; n <= EVENTS + 3_000; n += 1) {
      await waitFor(() => first.append(draft(n, 'cr_1'), FENCE), { what: 'room in memory' });
    }
    await waitFor(() => readdirSync(harness.dir).includes('run-first.1'), { what: 'a new run' });
    await harness.back();
    await harness.hold();
    harness.producer({ run: 'run-second' });
    await everything(EVENTS + 3_000);
    expect(await stored()).toEqual(idsOf('cr_1', 1, EVENTS + 3_000));
    expect(first.stats()).toMatchObject({ lost: 0, refused: 0 });
  });
});
