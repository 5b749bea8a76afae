import { describe, expect, it } from '@jest/globals';
import type { StoredEvent } from '@tributary/events';
import { waitFor } from '@tributary/testing';
import type { EventFilter } from '../store/filter.js';
import { OutboundEvent, type OutboundEventReader } from './request/outbound-events.js';
import { silent } from './testing.js';
import { EndpointCursor, type EndpointCursorOptions } from './endpoint-cursor.js';
import { LiveTail } from './live-tail.js';

const event = (seq: number, creatorId = 'a'): StoredEvent => ({
  seq,
  id: `1-${seq}`,
  type: seq % 2 === 0 ? 'tiktok.live.chat' : 'tiktok.live.like',
  creatorId,
  handle: creatorId,
  roomId: '1',
  time: 0,
  receivedAt: 0,
  data: {},
});

/** A log in memory: the database and the hub in one. */
class FakeLog {
  readonly events: StoredEvent[] = [];
  private waiting: (() => void)[] = [];

  readonly generation = 1;
  readonly history = [{ generation: 1, startedAtSeq: 0 }];

  head = () => this.events.length;

  add(count: number, creatorId?: string): void {
    for (let i = 0; i < count; i++) this.events.push(event(this.events.length + 1, creatorId));
    for (const wake of this.waiting.splice(0)) wake();
  }

  async *follow(_filter: EventFilter, after: number, signal: AbortSignal) {
    for (let at = after; !signal.aborted;) {
      if (at < this.events.length) {
        const events = this.events.slice(at);
        at = this.events.length;
        yield { events, seq: at, generation: this.generation };
      } else {
        await new Promise<void>((resolve) => {
          this.waiting.push(resolve);
          signal.addEventListener('abort', () => resolve(), { once: true });
        });
      }
    }
  }

  page: OutboundEventReader['page'] = async (filter, { after, to, limit }) => {
    const upTo = Math.min(to, this.events.length);
    const found = this.events.filter(
      ({ seq, creatorId, type }) =>
        seq > after &&
        seq <= upTo &&
        (!filter.creatorIds || filter.creatorIds.includes(creatorId)) &&
        (!filter.types || filter.types.includes(type)),
    );
    const entries = found.slice(0, limit).map((one) => new OutboundEvent(one, () => ''));
    return { entries, reached: found.length > limit ? entries.at(-1)!.seq : Math.max(after, upTo), oldest: 1, generation: 1 };
  };
}

function start(more: Partial<EndpointCursorOptions> = {}, log = new FakeLog()) {
  const tail = new LiveTail({ hub: log, renewed: () => undefined, recentEntriesMax: 20, logger: silent });
  tail.start({ generation: 1, seq: log.head() });
  const cursor = new EndpointCursor({
    id: 'wh_1',
    position: 0,
    filter: {},
    tail,
    entries: { page: log.page },
    read: (work) => work(),
    room: () => 10,
    isResting: () => false,
    requestPlan: () => undefined,
    expired: () => undefined,
    outdated: () => undefined,
    logger: silent,
    generation: 1,
    ...more,
  });
  cursor.advance();
  return { log, tail, cursor };
}

/** Plans whatever there is, as the planner does. */
async function planAll(cursor: EndpointCursor, until: () => boolean, room = 10): Promise<number[]> {
  const seqs: number[] = [];
  await waitFor(() => {
    for (let step = cursor.plan(room); step; step = cursor.plan(room)) {
      seqs.push(...step.groups.flatMap((events) => events.map(({ seq }) => seq)));
      cursor.committed(step);
    }
    const skip = cursor.planSkip();
    if (skip) cursor.committed(skip);
    cursor.advance();
    return until();
  });
  return seqs;
}

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

describe('a cursor of an endpoint', () => {
  it('plans every matching event once and in order, from far behind to the newest', async () => {
    const log = new FakeLog();
    log.add(1_000);
    const { cursor, tail } = start({}, log);
    const first = await planAll(cursor, () => cursor.position >= 1_000);
    log.add(50);
    const then = await planAll(cursor, () => cursor.position >= 1_050);
    expect([...first, ...then]).toEqual(upTo(1_050));
    await tail.stop();
  });

  it('falls off the tail when its endpoint is slow, holds few events, and loses none', async () => {
    const { log, cursor, tail } = start();
    for (let i = 0; i < 20; i++) log.add(100);
    await waitFor(() => tail.at === 2_000);
    expect(cursor.waiting).toBeLessThanOrEqual(128);
    expect(await planAll(cursor, () => cursor.position >= 2_000)).toEqual(upTo(2_000));
    await tail.stop();
  });

  it('passes what does not match, and shows the tail only what does', async () => {
    const { log, cursor, tail } = start({ filter: { creatorIds: ['b'], types: ['tiktok.live.chat'] } });
    log.add(10, 'a');
    log.add(10, 'b');
    log.add(5, 'a');
    expect(await planAll(cursor, () => cursor.position === 25)).toEqual([12, 14, 16, 18, 20]);
    await tail.stop();
  });

  it('plans a batch when it is full or when its first event has waited long enough', async () => {
    const { log, cursor, tail } = start({ batch: { maxEvents: 10, maxWaitMs: 60_000 } });
    log.add(25);
    await waitFor(() => cursor.waiting === 25);
    const now = Date.now();
    const step = cursor.plan(5, now)!;
    expect(step.groups.map((events) => events.length)).toEqual([10, 10]);
    expect(step.to).toBe(20);
    cursor.committed(step);
    expect([cursor.isReady(now), cursor.plan(5, now)]).toEqual([false, undefined]);
    expect(cursor.plan(5, now + 60_001)!.groups.map((events) => events.length)).toEqual([5]);
    await tail.stop();
  });

  it('makes one step at a time, and reads what it gave away again', async () => {
    let isResting = false;
    const { log, cursor, tail } = start({ isResting: () => isResting });
    log.add(30);
    await waitFor(() => cursor.waiting === 30);
    const step = cursor.plan(10)!;
    expect([cursor.plan(10), cursor.planSkip()]).toEqual([undefined, undefined]);
    cursor.committed(step);
    isResting = true;
    cursor.advance();
    isResting = false;
    expect([cursor.waiting, cursor.position]).toEqual([0, 10]);
    expect(await planAll(cursor, () => cursor.position === 30)).toEqual(upTo(30).slice(10));
    await tail.stop();
  });

  it('ends at the end of a replay', async () => {
    const log = new FakeLog();
    log.add(300);
    const { cursor, tail } = start({ position: 100, end: 250 }, log);
    expect(await planAll(cursor, () => cursor.isFinished)).toEqual(upTo(250).slice(100));
    expect(cursor.needsFill).toBe(false);
    await tail.stop();
  });

  it('stops when retention has taken what it had not read', async () => {
    const log = new FakeLog();
    log.add(300);
    const page = log.page;
    log.page = async (...args) => ({ ...(await page(...args)), oldest: 200 });
    let oldest = 0;
    const { cursor, tail } = start({ expired: (number) => (oldest = number) }, log);
    await waitFor(() => oldest === 200);
    expect(cursor.plan(10)).toBeUndefined();
    await tail.stop();
  });
});
