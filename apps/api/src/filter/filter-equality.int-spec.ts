import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { EventDraft, StoredEvent } from '@tributary/events';
import { OutboundEventReader } from '../delivery/request/outbound-events.js';
import { Committer } from '../store/writer/committer.js';
import { DayPartitions } from '../store/retention/days.js';
import { EventStore } from '../store/event-store.js';
import { ApiUnderTest, draft } from '../testing/api-under-test.js';
import { FILTER_FIELDS } from './fields.js';
import { type EventFilter, type FieldName, FIELDS, matches, readStoredFilter, testOf } from './filter.js';
import { FilterIndex } from './filter-index.js';
import { generatedEvent, generatedFilter, GENERATORS, randoms } from './testing.js';

const SEED = 20_261_126;
const EVENTS = 600;
const FILTERS_OF_ONE = 60;
const FILTERS_OF_MANY = 500;

const random = randoms(SEED);
const NAMES = Object.keys(FILTER_FIELDS) as FieldName[];

let api: ApiUnderTest;
let store: EventStore;
let reader: OutboundEventReader;
let all: StoredEvent[];
/** The same as they come from the database to an attempt. */
let outbound: StoredEvent[];
beforeAll(async () => {
  api = await ApiUnderTest.start({ config: { apiRoles: ['http'] } });
  store = new EventStore(api.pool);
  reader = new OutboundEventReader(api.pool);
  await storeEvents(
    Array.from({ length: EVENTS }, (_, n) => ((made) => draft({ ...made, data: { n, ...made.data } }))(generatedEvent(random))),
  );
  all = (await store.query({}, { order: 'asc', limit: EVENTS })).events;
  outbound = (await reader.page({}, { after: 0, to: Infinity, limit: EVENTS })).entries.map(({ event }) => event);
});
afterAll(() => api.stop());

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

/** Numbers of the events that pass, by each way there is: they must be the same. */
async function verdicts(filter: EventFilter): Promise<Record<string, number[]>> {
  const seqs = (events: readonly { seq: number }[]) => events.map(({ seq }) => seq);
  const index = new FilterIndex<{ filter: EventFilter }>();
  index.add({ filter });
  const isFound = (event: StoredEvent) => index.unfiltered.size + index.matching(event).size > 0;
  const [up, down] = [
    await store.query(filter, { order: 'asc', limit: EVENTS }),
    await store.query(filter, { order: 'desc', limit: EVENTS }),
  ];
  const exported: StoredEvent[] = [];
  for await (const page of store.stream(filter)) exported.push(...page);
  const delivered = (await reader.page(filter, { after: 0, to: Infinity, limit: EVENTS })).entries;
  return {
    pages: seqs(up.events),
    exports: seqs(exported),
    'pages in descending order': seqs(down.events).reverse(),
    'webhooks, from the database': seqs(delivered),
    'webhooks, at an attempt': seqs(outbound.filter(testOf(filter))),
    'in memory': seqs(all.filter((event) => matches(filter, event))),
    'the index of live readers': seqs(all.filter(isFound)),
  };
}

/** Compares all ways over generated filters. @returns how many events passed, in all */
async function compare(filters: readonly EventFilter[]): Promise<number> {
  const wrong: object[] = [];
  let passed = 0;
  for (const filter of filters) {
    const [[, expected], ...others] = Object.entries(await verdicts(filter)) as [[string, number[]], ...[string, number[]][]];
    passed += expected.length;
    for (const [where, found] of others) {
      const first = [...expected.filter((seq) => !found.includes(seq)), ...found.filter((seq) => !expected.includes(seq))][0];
      if (first === undefined && found.length === expected.length) continue;
      wrong.push({ where, filter, stored: first !== undefined && expected.includes(first), event: all.find(({ seq }) => seq === first) });
    }
  }
  expect(wrong.slice(0, 5)).toEqual([]);
  return passed;
}

describe(`a filter (seed ${SEED})`, () => {
  it('has a generator for each field of the table, and none for another', () => {
    expect(Object.keys(GENERATORS)).toEqual(NAMES);
    expect([all.length, outbound.length]).toEqual([EVENTS, EVENTS]);
  });

  it.each(NAMES)(
    'by %s alone means the same to pages, exports, webhooks, live readers and in memory, and lets some events through and others not',
    async (name) => {
      const filters = Array.from({ length: FILTERS_OF_ONE }, () => generatedFilter(random, [name], 1));
      const passed = await compare(filters);
      expect(passed).toBeGreaterThan(EVENTS);
      expect(passed).toBeLessThan(0.9 * EVENTS * FILTERS_OF_ONE);
    },
  );

  it('by several fields means the same to pages, exports, webhooks, live readers and in memory', async () => {
    const passed = await compare(Array.from({ length: FILTERS_OF_MANY }, () => generatedFilter(random, NAMES, 3)));
    expect(passed).toBeGreaterThan(FILTERS_OF_MANY);
  });

  it('of an endpoint is the same after it was stored', async () => {
    const settings = FIELDS.flatMap(([name, { setting }]) => (setting ? [name] : []));
    expect(settings.length).toBeGreaterThan(1);
    for (let i = 0; i < 200; i++) {
      const filter = generatedFilter(random, settings, 2);
      const { rows } = await api.pool.query<{ filter: Record<string, unknown> }>('select $1::jsonb as filter', [JSON.stringify(filter)]);
      expect(readStoredFilter(rows[0]!.filter)).toEqual(filter);
    }
    expect(() => readStoredFilter({ types: ['*'], mood: 'good' })).toThrow('mood, which this version does not know');
  });
});
