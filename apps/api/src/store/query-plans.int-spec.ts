import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connectClient, createPool } from '@tributary/runtime';
import type { Pool } from 'pg';
import { SessionStore } from '../sessions/session-store.js';
import { type LargeLog, startLargeLog } from '../testing/large-log.js';
import { type Plan, planOf, recordStatements } from '../testing/plans.js';
import { OutboundEventReader } from '../delivery/request/outbound-events.js';
import { DeliverySearch } from '../webhooks/deliveries/delivery-search.js';
import { DeliveryStore } from '../webhooks/deliveries/delivery-store.js';
import { WaitingEventsCounter } from '../webhooks/waiting-events.js';
import { EventStore } from './event-store.js';
import type { EventFilter } from '../filter/filter.js';
import { LogRanges } from './log-ranges.js';

const logger = { info: () => undefined, warn: () => undefined, error: () => undefined, trace: () => undefined, debug: () => undefined };
const DAYS = 40;
const ROWS_PER_DAY = 125_000;
/** 8 KiB pages that one page of 100 events may read, wherever it begins; a scan of one day alone would be 20,000. */
const PAGES_MAX = 2_500;
/** Pages of one block of event_ranges. */
const BLOCK_PAGES = 600;
/** The longest stretch holds 320,000 numbers. */
const STRETCH_PAGES_MAX = 20_000;
/** Rows that a statement may sort: the matches of one page, never a part of the log. */
const SORTED_MAX = 2_500;

let log: LargeLog;
let pool: Pool;
beforeAll(async () => {
  log = await startLargeLog({ days: DAYS, rowsPerDay: ROWS_PER_DAY });
  pool = createPool(log.server.url, logger, { name: 'spec', max: 4 });
}, 900_000);
afterAll(async () => {
  await pool?.end();
  await log?.server.remove();
});

/** The plans of all statements over events and deliveries that `work` made, each run again and explained: none scans a table or sorts the log. */
async function plansOf(work: (recording: Pool) => Promise<unknown>): Promise<Plan[]> {
  const { pool: recording, statements } = recordStatements(pool);
  await work(recording);
  const plans: Plan[] = [];
  for (const statement of statements) {
    if (!/\bevents\b|events_by_seq|webhook_deliveries/.test(statement.text)) continue;
    const plan = await planOf(pool, statement);
    if (plan.seqScans.length > 0 || plan.sorted > SORTED_MAX) throw new Error(JSON.stringify(plan));
    plans.push(plan);
  }
  return plans;
}

const at = (day: number) => new Date(log.firstDay + day * 86_400_000);
const creators = (count: number) => Array.from({ length: count }, (_, i) => `cr_${i * 7 + 1}`);
const pagesOf = (plans: Plan[]) => plans.reduce((sum, { pages }) => sum + pages, 0);

/** No place costs more than three times another, unless both are small. */
function expectEven(costs: Record<string, number>, { atMost, small }: { atMost: number; small: number }): void {
  const most = Math.max(...Object.values(costs));
  const least = Math.max(small, Math.min(...Object.values(costs)));
  if (most >= atMost || most > 3 * least) throw new Error(`pages read: ${JSON.stringify(costs)}`);
}

describe('every query over five million events', () => {
  const filters: [string, () => EventFilter][] = [
    ['no filter', () => ({})],
    ['a creator', () => ({ creatorIds: ['cr_22'] })],
    ['a busy creator', () => ({ creatorIds: ['cr_0'] })],
    ['several creators', () => ({ creatorIds: creators(12) })],
    ['many creators', () => ({ creatorIds: creators(60) })],
    ['a user id', () => ({ userId: '4711' })],
    ['a user handle', () => ({ userId: 'user4711' })],
    ['a type', () => ({ types: ['tiktok.live.gift'] })],
    ['a rare type', () => ({ types: ['monitor.gap'] })],
    ['a pattern of rare types', () => ({ types: ['monitor.*'] })],
    ['a pattern of frequent types', () => ({ types: ['tiktok.live.*'] })],
    ['since', () => ({ since: at(5) })],
    ['until', () => ({ until: at(39.9) })],
  ];

  it.each(filters)(
    '%s: sorts no part of the log, scans no table, and costs the same wherever it begins, in both orders',
    async (_, filter) => {
      const costs: Record<string, number> = {};
      for (const [place, bounds] of Object.entries({
        'from the beginning': { after: 0 },
        'from the middle': { after: log.rows / 2, before: log.rows },
        'back from the end': {},
        'back from the middle': { before: log.rows / 2 },
      })) {
        const order = place.startsWith('back') ? 'desc' : 'asc';
        const found: number[] = [];
        const plans = await plansOf(async (recording) => {
          const page = await new EventStore(recording, { msMax: 60_000 }).query(filter(), { ...bounds, order, limit: 20 });
          found.push(...page.events.map(({ seq }) => seq));
        });
        expect(found).toHaveLength(20);
        costs[place] = pagesOf(plans);
      }
      // Times end within a block of 16,384 numbers, and the rest of it is looked over.
      const { since, until } = filter();
      expectEven(costs, { atMost: PAGES_MAX, small: since || until ? BLOCK_PAGES : 40 });
    },
    120_000,
  );

  it('a room, an hour, and a creator who was there long ago are found within few pages of the database', async () => {
    const room = `cr_22-${at(20).toISOString().slice(0, 10)}`;
    const wanted: [EventFilter, 'asc' | 'desc'][] = [
      [{ roomId: room }, 'asc'],
      [{ roomId: room }, 'desc'],
      [{ since: at(20.5), until: at(20.5 + 1 / 24) }, 'asc'],
      [{ creatorIds: ['cr_early'] }, 'desc'],
      [{ creatorIds: ['cr_late'] }, 'asc'],
      [{ creatorIds: ['cr_22'], types: ['tiktok.live.member'], since: at(30) }, 'asc'],
    ];
    for (const [filter, order] of wanted) {
      const plans = await plansOf(async (recording) => {
        const page = await new EventStore(recording, { msMax: 60_000 }).query(filter, { order, limit: 20 });
        expect({ filter, found: page.events.length }).toEqual({ filter, found: 20 });
      });
      expect(pagesOf(plans)).toBeLessThan(PAGES_MAX);
    }
  }, 120_000);

  it('a text is looked for in stretches, each of them bounded', async () => {
    for (const order of ['asc', 'desc'] as const) {
      const plans = await plansOf((recording) => new EventStore(recording).query({ q: 'needle' }, { order, limit: 100 }));
      for (const { pages } of plans) expect(pages).toBeLessThan(STRETCH_PAGES_MAX);
    }
  }, 120_000);

  it('a live reader catches up, an export goes on and deliveries are read at the same cost at both ends', async () => {
    const { generation } = await new EventStore(pool).head();
    const readers: Record<string, (recording: Pool, after: number) => Promise<unknown>> = {
      'catch-up': (recording, after) => new EventStore(recording).query({}, { after, order: 'asc', limit: 500 }),
      'an export page': (recording, after) =>
        new EventStore(recording).query({}, { after, before: log.rows + 1, order: 'asc', limit: 1_000 }),
      deliveries: (recording, after) => new OutboundEventReader(recording).page({}, { after, to: Infinity, limit: 500 }),
      'deliveries of creators': (recording, after) =>
        new OutboundEventReader(recording).page(
          { creatorIds: creators(5), types: ['tiktok.live.*'] },
          { after, to: after + 50_000, limit: 500 },
        ),
      'deliveries tried again': (recording, after) =>
        new OutboundEventReader(recording).ofDeliveries([
          { endpointId: 'ep', id: 'd', generation, seqs: [after + 1, after + 2, after + 9_000] },
        ]),
    };
    for (const [name, read] of Object.entries(readers)) {
      const costs: Record<string, number> = {};
      for (const after of [0, log.rows / 2, log.rows - 60_000]) {
        costs[`${name} after ${after}`] = pagesOf(await plansOf((recording) => read(recording, after)));
      }
      expectEven(costs, { atMost: 4 * PAGES_MAX, small: 60 });
    }
  }, 120_000);

  it('a replay by time begins, an event is found by id and a session has its timeline without reading the log', async () => {
    await pool.query(
      `insert into sessions (room_id, creator_id, handle, started_at, last_event_at) values ($1, 'cr_22', 'h', $2, $3) on conflict do nothing`,
      [`cr_22-${at(20).toISOString().slice(0, 10)}`, at(20), at(21)],
    );
    const works: ((recording: Pool) => Promise<unknown>)[] = [
      (recording) => new LogRanges(recording).positionAt(at(0.1)),
      (recording) => new LogRanges(recording).positionAt(at(39.9)),
      (recording) => new EventStore(recording).byId(`7540589352666090247-${(BigInt(at(7).getTime() / 1_000) << 32n) + 900_000n}`),
      (recording) => new SessionStore(recording).timeline(`cr_22-${at(20).toISOString().slice(0, 10)}`, '5m', 500),
    ];
    for (const work of works) expect(pagesOf(await plansOf(work))).toBeLessThan(PAGES_MAX);
  }, 120_000);

  it.each<[string, EventFilter]>([
    ['everything', {}],
    ['a creator', { creatorIds: ['cr_22'] }],
    ['many creators', { creatorIds: creators(60) }],
    ['a rare type', { types: ['monitor.gap'] }],
    ['a pattern of rare types', { types: ['monitor.*'] }],
    ['a pattern of frequent types', { types: ['tiktok.live.*'] }],
    ['a creator who was there long ago', { creatorIds: ['cr_early'] }],
    ['nobody', { creatorIds: [] }],
  ])(
    'what an endpoint for %s is behind by is counted within its bounds, from the beginning and near the end',
    async (_, filter) => {
      for (const position of [0, log.rows - 200_000]) {
        const found: (number | null)[] = [];
        const plans = await plansOf(async (recording) => {
          const waiting = await new WaitingEventsCounter({ pool: recording }).ofOne({ id: 'wh', filter, position });
          found.push(waiting.events);
        });
        const { rows } = await pool.query<{ n: number }>(
          `select count(*)::int as n from (select from events where seq > $1 and ($2::text[] is null or creator_id = any($2))
             and ($3::text is null or type like $3) limit 10000) x`,
          [position, filter.creatorIds ?? null, filter.types?.[0]?.replace('*', '%') ?? null],
        );
        expect(found).toEqual([rows[0]!.n]);
        // 10,001 rows at most, each in a page of its own where they lie far apart, and a step in an index for each.
        expect(pagesOf(plans)).toBeLessThan(50_000);
      }
    },
    120_000,
  );
});

describe('an endpoint with half a million deliveries', () => {
  const endpoint = 'wh_large';
  const COUNT = 500_000;
  beforeAll(async () => {
    // One each second, of three events that lie close to each other; every 1,000th was given up.
    const client = await connectClient(log.server.url, { name: 'spec', statementMs: 120_000 });
    await client.query(
      `insert into webhook_deliveries (endpoint_id, id, seqs, seq, state, attempt, created_at, ended_at)
       select $1, $4 || lpad(n::text, 12, '0'), array[n, n + 1, n + 2], n, case when n % 1000 = 0 then 'dead' else 'delivered' end, 1,
         to_timestamp($2::float8 / 1000 + n), to_timestamp($2::float8 / 1000 + n)
       from generate_series(1, $3::bigint) as n`,
      [endpoint, log.firstDay, COUNT, 'dlv_0'],
    );
    await client.query('vacuum analyze webhook_deliveries');
    await client.end();
  }, 120_000);

  const search = (recording: Pool) => new DeliverySearch(recording, new DeliveryStore(recording));
  const idOf = (n: number) => `dlv_0${String(n).padStart(12, '0')}`;

  it('lists a page of them at the same cost at both ends, and those that were given up', async () => {
    const costs: Record<string, number> = {};
    for (const [place, before] of Object.entries({ newest: undefined, middle: idOf(COUNT / 2), oldest: idOf(60) })) {
      const plans = await plansOf(async (recording) => {
        expect((await search(recording).page(endpoint, {}, before, 50)).found).toHaveLength(50);
      });
      costs[place] = pagesOf(plans);
    }
    expectEven(costs, { atMost: PAGES_MAX, small: 60 });
    const plans = await plansOf(async (recording) => {
      expect((await search(recording).page(endpoint, { state: 'dead' }, undefined, 50)).found).toHaveLength(50);
    });
    expect(pagesOf(plans)).toBeLessThan(PAGES_MAX);
  }, 120_000);

  it('looks through them for a type in steps, each of them bounded', async () => {
    const plans = await plansOf(async (recording) => {
      const gaps = await search(recording).page(endpoint, { types: ['monitor.gap'] }, idOf(100_020), 2);
      expect(gaps.found.map(({ row }) => row.id)).toEqual([idOf(100_007), idOf(100_006)]);
    });
    // 1,000 deliveries and 3,000 events.
    for (const { pages } of plans) expect(pages).toBeLessThan(STRETCH_PAGES_MAX);
  }, 120_000);
});
