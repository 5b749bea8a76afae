import { describe, expect, it } from '@jest/globals';
import type { StoredEvent } from '@tributary/events';
import { waitFor } from '@tributary/testing';
import type { EventFilter } from '../store/filter.js';
import { DeliveryIds } from './endpoint.js';
import { Entry, type EntryReader } from './entry.js';
import { LogTail } from './log-tail.js';
import { LogReader, type LogReaderOptions } from './reader.js';
import { silent } from './testing.js';

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

  page: EntryReader['page'] = async (filter, { after, to, limit }) => {
    const upTo = Math.min(to, this.events.length);
    const found = this.events.filter(
      ({ seq, creatorId, type }) =>
        seq > after &&
        seq <= upTo &&
        (!filter.creatorIds || filter.creatorIds.includes(creatorId)) &&
        (!filter.types || filter.types.includes(type)),
    );
    const entries = found.slice(0, limit).map((one) => new Entry(one, () => ''));
    return { entries, reached: found.length > limit ? entries.at(-1)!.seq : Math.max(after, upTo), oldest: 1, generation: 1 };
  };
}

function start(more: Partial<LogReaderOptions> = {}, log = new FakeLog()) {
  const tail = new LogTail({ hub: log, renewed: () => undefined, recentEntriesMax: 20, logger: silent });
  tail.start({ generation: 1, seq: log.head() });
  const reader: LogReader = new LogReader({
    id: 'wh_1',
    position: 0,
    filter: {},
    tail,
    entries: { page: log.page } as EntryReader,
    ids: new DeliveryIds(),
    wake: () => void reader.fill(),
    expired: () => undefined,
    outdated: () => undefined,
    generation: 1,
    ...more,
  });
  void reader.fill();
  return { log, tail, reader };
}

/** Cuts whatever there is, as a runner does. */
async function cutAll(reader: LogReader, until: () => boolean, room = 10): Promise<number[]> {
  const seqs: number[] = [];
  await waitFor(async () => {
    await reader.fill();
    for (let move = reader.plan(room); move; move = reader.plan(room)) {
      seqs.push(...move.deliveries.flatMap(({ entries }) => entries.map(({ seq }) => seq)));
      reader.moved(move);
    }
    const pass = reader.planPass();
    if (pass) reader.moved(pass);
    return until();
  });
  return seqs;
}

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

describe('a reader of the log', () => {
  it('cuts every matching event once and in order, from far behind to the newest', async () => {
    const log = new FakeLog();
    log.add(1_000);
    const { reader, tail } = start({}, log);
    const first = await cutAll(reader, () => reader.position >= 1_000);
    log.add(50);
    const then = await cutAll(reader, () => reader.position >= 1_050);
    expect([...first, ...then]).toEqual(upTo(1_050));
    await tail.stop();
  });

  it('falls off the tail when its endpoint is slow, holds few events, and loses none', async () => {
    const { log, reader, tail } = start();
    for (let i = 0; i < 20; i++) log.add(100);
    await waitFor(() => tail.at === 2_000);
    expect(reader.waiting).toBeLessThanOrEqual(128);
    expect(await cutAll(reader, () => reader.position >= 2_000)).toEqual(upTo(2_000));
    await tail.stop();
  });

  it('passes what does not match, and shows the tail only what does', async () => {
    const { log, reader, tail } = start({ filter: { creatorIds: ['b'], types: ['tiktok.live.chat'] } });
    log.add(10, 'a');
    log.add(10, 'b');
    log.add(5, 'a');
    expect(await cutAll(reader, () => reader.position === 25)).toEqual([12, 14, 16, 18, 20]);
    await tail.stop();
  });

  it('cuts a batch when it is full or when its first event has waited long enough', async () => {
    const { log, reader, tail } = start({ batch: { maxEvents: 10, maxWaitMs: 60_000 } });
    log.add(25);
    await waitFor(() => reader.waiting === 25);
    const now = Date.now();
    const move = reader.plan(5, now)!;
    expect(move.deliveries.map(({ entries }) => entries.length)).toEqual([10, 10]);
    expect(move.to).toBe(20);
    reader.moved(move);
    expect([reader.ready(now), reader.plan(5, now)]).toEqual([false, undefined]);
    expect(reader.plan(5, now + 60_001)!.deliveries.map(({ entries }) => entries.length)).toEqual([5]);
    await tail.stop();
  });

  it('makes one step at a time, and reads what it gave away again', async () => {
    const { log, reader, tail } = start();
    log.add(30);
    await waitFor(() => reader.waiting === 30);
    const move = reader.plan(10)!;
    expect([reader.plan(10), reader.planPass()]).toEqual([undefined, undefined]);
    reader.moved(move);
    reader.shed();
    expect([reader.waiting, reader.position]).toEqual([0, 10]);
    expect(await cutAll(reader, () => reader.position === 30)).toEqual(upTo(30).slice(10));
    await tail.stop();
  });

  it('ends at the end of a replay', async () => {
    const log = new FakeLog();
    log.add(300);
    const { reader, tail } = start({ position: 100, end: 250, replayId: 'rp_1' }, log);
    expect(await cutAll(reader, () => reader.finished)).toEqual(upTo(250).slice(100));
    expect(reader.hungry).toBe(false);
    await tail.stop();
  });

  it('stops when retention has taken what it had not read', async () => {
    const log = new FakeLog();
    log.add(300);
    const page = log.page;
    log.page = async (...args) => ({ ...(await page(...args)), oldest: 200 });
    let oldest = 0;
    const { reader, tail } = start({ expired: (number) => (oldest = number) }, log);
    await waitFor(() => oldest === 200);
    expect(reader.plan(10)).toBeUndefined();
    await tail.stop();
  });
});
