import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { StoredEvent } from '@tributary/events';
import { waitFor } from '@tributary/testing';
import { matches } from '../../filter/filter.js';
import { LiveHub } from '../../live/hub/hub.js';
import { OutboundEvent, type OutboundEventReader } from '../request/outbound-events.js';
import { silent } from '../testing.js';
import { EndpointCursor, type EndpointCursorOptions } from './endpoint-cursor.js';
import { DeliveryQueue } from './queue.js';

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

/** A log in memory as the database has it, and the hub that is told of its commits. */
class FakeLog {
  readonly events: StoredEvent[] = [];
  readonly hub = new LiveHub({
    store: {
      head: () => this.head(),
      query: () => Promise.reject(new Error('cursors read by themselves')),
      raiseGeneration: () => this.head(),
    },
    recentEventsMax: 20,
    quietMs: 1_000_000,
    logger: silent,
  });
  generation = 1;

  async start(): Promise<this> {
    await this.hub.start();
    return this;
  }

  head = () => Promise.resolve({ generation: this.generation, seq: this.events.length, oldestSeq: 1, history: [] });

  /** Commits events; `isHeard: false` leaves the hub to find out by itself. */
  add(count: number, { creatorId = 'a', isHeard = true } = {}): void {
    const after = this.events.length;
    for (let i = 0; i < count; i++) this.events.push(event(this.events.length + 1, creatorId));
    const { generation } = this;
    if (isHeard) this.hub.take({ generation, after, to: this.events.length, events: this.events.slice(after) });
  }

  page: OutboundEventReader['page'] = async (filter, { after, to, limit }) => {
    const upTo = Math.min(to, this.events.length);
    const found = this.events.filter((one) => one.seq > after && one.seq <= upTo && matches(filter, one));
    const entries = found.slice(0, limit).map((one) => new OutboundEvent(one, () => ''));
    return { entries, reached: found.length > limit ? entries.at(-1)!.seq : Math.max(after, upTo), oldest: 1, generation: this.generation };
  };
}

let log: FakeLog;
beforeEach(async () => {
  log = await new FakeLog().start();
});
afterEach(() => log.hub.stop());

/** Deliveries that may be planned at once. */
const ROOM = 10;

function start(more: Partial<EndpointCursorOptions> = {}): EndpointCursor {
  const cursor = new EndpointCursor({
    endpointId: 'wh_1',
    version: 1,
    position: 0,
    filter: {},
    hub: log.hub,
    entries: { page: log.page },
    read: (work) => work(),
    queue: new DeliveryQueue({ ordered: false, ahead: { min: ROOM, max: ROOM } }),
    health: { isResting: () => false },
    owner: { keyId: null },
    planner: { request: () => undefined },
    expired: () => undefined,
    outdated: () => undefined,
    logger: silent,
    generation: 1,
    ...more,
  });
  cursor.advance();
  return cursor;
}

/** Plans whatever there is, as the planner does. */
async function planAll(cursor: EndpointCursor, until: () => boolean): Promise<number[]> {
  const seqs: number[] = [];
  await waitFor(() => {
    for (let step = cursor.plan(); step; step = cursor.plan()) {
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
    log.add(1_000);
    const cursor = start();
    const first = await planAll(cursor, () => cursor.position >= 1_000);
    log.add(50);
    const then = await planAll(cursor, () => cursor.position >= 1_050);
    expect([...first, ...then]).toEqual(upTo(1_050));
  });

  it('leaves the hub when its endpoint is slow, holds few events, and loses none', async () => {
    const cursor = start();
    for (let i = 0; i < 20; i++) log.add(100);
    expect(cursor.waiting).toBeLessThanOrEqual(128);
    expect(await planAll(cursor, () => cursor.position >= 2_000)).toEqual(upTo(2_000));
  });

  it('passes what does not match, and plans only what does', async () => {
    const cursor = start({ filter: { creatorIds: ['b'], types: ['tiktok.live.chat'] } });
    log.add(10);
    log.add(10, { creatorId: 'b' });
    log.add(5);
    expect(await planAll(cursor, () => cursor.position === 25)).toEqual([12, 14, 16, 18, 20]);
  });

  it('plans a batch when it is full or when its first event has waited long enough', async () => {
    const cursor = start({ batch: { maxEvents: 10, maxWaitMs: 60_000 } });
    log.add(25);
    await waitFor(() => cursor.waiting === 25);
    const now = Date.now();
    const step = cursor.plan(now)!;
    expect(step.groups.map((events) => events.length)).toEqual([10, 10]);
    expect(step.to).toBe(20);
    cursor.committed(step);
    expect([cursor.isReady(now), cursor.plan(now)]).toEqual([false, undefined]);
    expect(cursor.plan(now + 60_001)!.groups.map((events) => events.length)).toEqual([5]);
  });

  it('makes one step at a time, and reads what it gave away again', async () => {
    let isResting = false;
    const cursor = start({ health: { isResting: () => isResting } });
    log.add(30);
    await waitFor(() => cursor.waiting === 30);
    const step = cursor.plan()!;
    expect([cursor.plan(), cursor.planSkip()]).toEqual([undefined, undefined]);
    cursor.committed(step);
    isResting = true;
    cursor.advance();
    isResting = false;
    expect([cursor.waiting, cursor.position]).toEqual([0, 10]);
    expect(await planAll(cursor, () => cursor.position === 30)).toEqual(upTo(30).slice(10));
  });

  it('loses nothing when the hub jumps over events that it did not hear of', async () => {
    const cursor = start();
    log.add(5);
    const first = await planAll(cursor, () => cursor.position === 5);
    log.add(10, { isHeard: false });
    log.add(5);
    const then = await planAll(cursor, () => cursor.position === 20);
    expect([...first, ...then]).toEqual(upTo(20));
  });

  it('is outdated by another generation of the log, also while it follows the hub', async () => {
    let outdated = 0;
    const cursor = start({ outdated: () => (outdated += 1) });
    log.add(5);
    await planAll(cursor, () => cursor.position === 5);
    log.generation = 2;
    log.add(1);
    await waitFor(() => outdated === 1, { what: 'the cursor to be outdated' });
    expect([cursor.plan(), cursor.planSkip()]).toEqual([undefined, undefined]);
  });

  it('waits for a hub that has not come to its generation yet', async () => {
    log.generation = 2;
    log.events.push(event(1), event(2));
    const cursor = start({ generation: 2 });
    expect(await planAll(cursor, () => cursor.position === 2)).toEqual([1, 2]);
    log.add(3);
    expect(await planAll(cursor, () => cursor.position === 5)).toEqual([3, 4, 5]);
  });

  it('ends at the end of a replay', async () => {
    log.add(300);
    const cursor = start({ position: 100, end: 250 });
    expect(await planAll(cursor, () => cursor.isFinished)).toEqual(upTo(250).slice(100));
    expect(cursor.needsFill).toBe(false);
  });

  it('stops when retention has taken what it had not read', async () => {
    // More than the hub keeps in memory.
    log.add(250);
    log.add(50);
    const page = log.page;
    log.page = async (...args) => ({ ...(await page(...args)), oldest: 200 });
    let oldest = 0;
    const cursor = start({ expired: (number) => (oldest = number) });
    await waitFor(() => oldest === 200);
    expect(cursor.plan()).toBeUndefined();
  });
});
