import { setMaxListeners } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import type { StoredEvent } from '@tributary/events';
import type { EventFilter } from '../../filter/filter.js';
import { LiveHub } from './hub.js';

const FOLLOWERS = 5_000;
const logger = { warn: () => undefined };

/** A store whose log is what the hub was told, and in which every look is counted. */
function storeOf(log: StoredEvent[]) {
  const counts = { queries: 0 };
  const head = () => Promise.resolve({ generation: 1, seq: log.length, oldestSeq: 1, history: [] });
  const query = (_: EventFilter, { after = 0 }: { after?: number }) => {
    counts.queries += 1;
    return Promise.resolve({ events: log.slice(after), head: log.length, reached: log.length, more: false });
  };
  return { counts, store: { head, query, raiseGeneration: head } };
}

function event(seq: number, more: Partial<StoredEvent> = {}): StoredEvent {
  const common = { id: `e-${seq}`, type: 'tiktok.live.chat', creatorId: 'cr_0', handle: 'a', roomId: '1', time: seq, receivedAt: seq };
  return { seq, ...common, data: { user: { id: '7', uniqueId: 'Viewer' }, comment: 'needle in hay' }, ...more };
}

/** A filter that counts how often anybody looks at it. */
function watched(filter: EventFilter, seen: () => void): EventFilter {
  return new Proxy(filter, {
    get: (target, name) => {
      seen();
      return Reflect.get(target, name) as unknown;
    },
  });
}

describe('the hub', () => {
  it('looks at nobody for whom a commit has nothing, however many follow', async () => {
    const { store, counts } = storeOf([]);
    const hub = new LiveHub({ store, logger, quietMs: 1_000_000 });
    await hub.start();
    const stop = new AbortController();
    setMaxListeners(0, stop.signal);
    let looks = 0;
    const filters: ((i: number) => EventFilter)[] = [
      (i) => ({ creatorIds: [`cr_${i}`] }),
      (i) => ({ roomId: `room_${i}` }),
      (i) => ({ userId: `user_${i}` }),
      (i) => ({ types: [`monitor.m${i}`, `other.${i}*`] }),
    ];
    const steps = Array.from({ length: FOLLOWERS }, (_, i) => {
      const filter = watched(filters[i % filters.length]?.(i + 1) ?? {}, () => (looks += 1));
      return hub.follow(filter, 0, stop.signal).next();
    });
    const wanted = hub.follow({ creatorIds: ['cr_0'] }, 0, stop.signal);
    looks = 0;
    for (let seq = 1; seq <= 1_000; seq++) {
      hub.take({ generation: 1, after: seq - 1, to: seq, events: [event(seq)] });
    }
    await expect(wanted.next()).resolves.toMatchObject({ value: { seq: 1_000 } });
    expect({ looks, queries: counts.queries }).toEqual({ looks: 0, queries: 0 });
    expect(hub.followers).toBe(FOLLOWERS + 1);
    stop.abort();
    await Promise.all(steps);
    expect(hub.followers).toBe(1);
    hub.stop();
  });

  it('tells where one stands that waits, and gives it what it waits for from there on', async () => {
    const hub = new LiveHub({ ...storeOf([]), logger, quietMs: 1_000_000 });
    await hub.start();
    const stop = new AbortController();
    const follower = hub.follow({ roomId: '2' }, 0, stop.signal);
    const step = follower.next();
    hub.take({ generation: 1, after: 0, to: 1, events: [event(1)] });
    hub.take({ generation: 1, after: 1, to: 4, events: [event(2), event(3)] });
    expect(follower.waitsAt).toBe(4);
    hub.take({ generation: 1, after: 4, to: 6, events: [event(5), event(6, { roomId: '2' })] });
    expect(follower.waitsAt).toBeUndefined();
    await expect(step).resolves.toMatchObject({ value: { seq: 6, events: [{ seq: 6 }] } });
    stop.abort();
    hub.stop();
  });

  it('wakes by each part of a filter exactly those whose filter lets the event through', async () => {
    const hub = new LiveHub({ ...storeOf([]), logger, quietMs: 1_000_000 });
    await hub.start();
    const stop = new AbortController();
    setMaxListeners(0, stop.signal);
    const wanting: EventFilter[] = [
      {},
      { types: ['*'] },
      { creatorIds: ['cr_9', 'cr_0'] },
      { creatorIds: ['cr_0'], q: 'NEEDLE' },
      { roomId: '1', types: ['tiktok.live.chat'] },
      { userId: '7' },
      { userId: 'VIEWER' },
      { types: ['tiktok.live.*', 'tiktok.live.chat'] },
      { q: 'needle' },
      { since: new Date(0) },
    ];
    const others: EventFilter[] = [
      { creatorIds: ['cr_9'] },
      { creatorIds: [] },
      { creatorIds: ['cr_0'], q: 'nobody wrote this' },
      { roomId: '1', types: ['tiktok.live.gift'] },
      { userId: '8' },
      { types: ['tiktok.live.gift', 'monitor.*'] },
      { q: 'nobody wrote this' },
      { since: new Date(1_000) },
    ];
    const got = (filter: EventFilter) => {
      const follower = hub.follow(filter, 0, stop.signal);
      return { follower, step: follower.next() };
    };
    const [woken, asleep] = [wanting.map(got), others.map(got)];
    hub.take({ generation: 1, after: 0, to: 1, events: [event(1)] });
    for (const { step } of woken) await expect(step).resolves.toMatchObject({ value: { seq: 1, events: [{ seq: 1 }] } });
    expect(asleep.map(({ follower }) => follower.waitsAt)).toEqual(others.map(() => 1));
    stop.abort();
    hub.stop();
  });

  it('lets everybody look for themselves, from where they were, when a commit is missing', async () => {
    const { store, counts } = storeOf([event(1), event(2, { roomId: '2' }), event(3)]);
    // It starts where nothing is stored yet.
    const hub = new LiveHub({ store: { ...store, head: storeOf([]).store.head }, logger, quietMs: 1_000_000 });
    await hub.start();
    const stop = new AbortController();
    const step = hub.follow({ roomId: '2' }, 0, stop.signal).next();
    hub.take({ generation: 1, after: 0, to: 1, events: [event(1)] });
    hub.take({ generation: 1, after: 2, to: 3, events: [event(3)] });
    await expect(step).resolves.toMatchObject({ value: { seq: 3 } });
    expect(counts.queries).toBe(1);
    stop.abort();
    hub.stop();
  });
});
