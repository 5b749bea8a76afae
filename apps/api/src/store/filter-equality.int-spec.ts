import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { EventDraft } from '@tributary/events';
import { FilterIndex } from '../live/filter-index.js';
import { ApiUnderTest, draft } from '../testing/api-under-test.js';
import { Committer } from './committer.js';
import { DayPartitions } from './days.js';
import { EventStore } from './event-store.js';
import { type EventFilter, matches } from './filter.js';

const SEED = 20_261_126;
const EVENTS = 600;
const FILTERS = 1_500;
const START = Date.UTC(2026, 10, 22, 10);

let api: ApiUnderTest;
beforeAll(async () => {
  api = await ApiUnderTest.start({ config: { apiRoles: ['http'] } });
});
afterAll(() => api.stop());

/** Numbers from 0 to below `n`, the same for the same seed. */
function randoms(seed: number): (n: number) => number {
  let state = seed;
  return (n) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

const WORDS = [
  'hello',
  'HELLO there',
  'É',
  'é',
  'ΟΔΟΣ',
  'οδος',
  'İstanbul',
  'istanbul',
  'Straße',
  'STRASSE',
  '100% _s',
  'a\\b',
  '0',
  '5',
  'ДА',
  'да',
  '你好',
  '🎁x',
];
const TYPES = ['tiktok.live.chat', 'tiktok.live.gift', 'tiktok.live.like', 'tiktok.live.likely', 'monitor.gap', 'monitor.live'];
const PATTERNS = [...TYPES, 'tiktok.live.*', 'monitor.*', 'tiktok.live.like*', '*'];
const IDS = ['5', '0', '', '7', 'viewer.five', 'É'];

const random = randoms(SEED);
const oneOf = <T>(items: readonly T[]): T => items[random(items.length)]!;
const maybe = <T>(make: () => T): T | undefined => (random(3) === 0 ? make() : undefined);

/** A value as TikTok would send it, or as nobody would. */
const value = (): unknown =>
  oneOf<() => unknown>([
    () => oneOf(WORDS),
    () => oneOf(WORDS),
    () => random(9),
    () => null,
    () => ({ is: oneOf(WORDS) }),
    () => [oneOf(WORDS)],
  ])();
const user = (): unknown =>
  oneOf<() => unknown>([
    () => ({ id: oneOf(IDS), uniqueId: oneOf(['Viewer.Five', 'viewer.five', 'É', 'other', '5']) }),
    () => ({ id: oneOf(IDS) }),
    () => ({ uniqueId: value() }),
    () => ({ id: random(9), uniqueId: 'numbers' }),
    () => oneOf([null, 'text', 5, []]),
  ])();

function event(n: number): EventDraft {
  const ms = START + random(40) * 250;
  return draft({
    roomId: oneOf(['1', '2', '']),
    creatorId: oneOf(['cr_a', 'cr_b', 'cr_c']),
    type: oneOf(TYPES),
    time: ms,
    receivedAt: ms,
    data: {
      n,
      ...Object.fromEntries(['comment', 'question', 'text'].flatMap((field) => (random(3) === 0 ? [[field, value()]] : []))),
      ...(random(4) === 0 ? { texts: oneOf<() => unknown>([() => [{ text: value() }, oneOf([null, 'x', {}])], () => value()])() } : {}),
      ...(random(4) > 0 ? { user: user() } : {}),
    },
  });
}

function filter(): EventFilter {
  const time = () => new Date(START + random(44) * 250);
  const parts = {
    creatorIds: maybe(() => oneOf([['cr_a'], ['cr_a', 'cr_c'], []])),
    roomId: maybe(() => oneOf(['1', '2', '3'])),
    types: maybe(() => Array.from({ length: 1 + random(2) }, () => oneOf(PATTERNS))),
    userId: maybe(() => oneOf([...IDS.filter((id) => id !== ''), 'VIEWER.FIVE', 'numbers', '3', 'é'])),
    q: maybe(() => oneOf([...WORDS, '%', '_', '\\', 'o', 'S', 'ο'])),
    since: maybe(time),
    until: maybe(time),
  };
  return Object.fromEntries(Object.entries(parts).filter(([, part]) => part !== undefined));
}

/** Stores events by the store's own statement, which fills the columns that filters ask. */
async function storeEvents(events: EventDraft[]): Promise<void> {
  const committer = new Committer(api.pool, new DayPartitions(api.pool));
  const head = await committer.head();
  const entries = events.map(({ id, type, creatorId, handle, roomId, time, receivedAt, data }, n) => ({
    partition: 0,
    entryId: `${n}`,
    fields: { id, type, creator: creatorId, handle, room: roomId, ts: String(time), at: String(receivedAt), data: JSON.stringify(data) },
  }));
  await committer.commit(head, { from: head.positions, to: head.positions, entries });
}

describe('a filter', () => {
  it(`means the same to the database, in memory and to the index of live readers (seed ${SEED})`, async () => {
    await storeEvents(Array.from({ length: EVENTS }, (_, n) => event(n)));
    const store = new EventStore(api.pool);
    const all = (await store.query({}, { order: 'asc', limit: EVENTS })).events;
    expect(all).toHaveLength(EVENTS);
    const wrong: object[] = [];
    let found = 0;
    for (let i = 0; i < FILTERS; i++) {
      const one = filter();
      const stored = (await store.query(one, { order: 'asc', limit: EVENTS })).events.map(({ seq }) => seq);
      const remembered = all.filter((stored_) => matches(one, stored_)).map(({ seq }) => seq);
      const index = new FilterIndex<{ filter: EventFilter }>();
      index.add({ filter: one });
      const indexed = all.filter((live) => index.everything.size + index.matching(live).size > 0).map(({ seq }) => seq);
      found += stored.length;
      for (const [where, other] of Object.entries({ remembered, indexed })) {
        const differs = [...stored.filter((seq) => !other.includes(seq)), ...other.filter((seq) => !stored.includes(seq))];
        const [first] = differs;
        if (first !== undefined)
          wrong.push({ where, filter: one, stored: stored.includes(first), data: all.find(({ seq }) => seq === first)?.data });
      }
    }
    expect(found).toBeGreaterThan(FILTERS);
    expect(wrong.slice(0, 20)).toEqual([]);
  });
});
