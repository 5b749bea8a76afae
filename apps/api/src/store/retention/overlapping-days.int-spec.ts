import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createPool } from '@tributary/runtime';
import { createDatabase } from '@tributary/testing';
import type pg from 'pg';
import { OutboundEventReader } from '../../delivery/request/outbound-events.js';
import { DayPartitions } from './days.js';
import { EventStore } from '../event-store.js';
import { migrate } from '../schema/migrate.js';

const logger = { info: () => undefined, warn: () => undefined, error: () => undefined, trace: () => undefined, debug: () => undefined };
const DAY_MS = 86_400_000;
/** More days than one look at the ranges reads: holders whose leases are of as many days say something in turn. */
const DAYS = 50;
const ROWS = DAYS * 20;

let database: Awaited<ReturnType<typeof createDatabase>>;
let pool: pg.Pool;
beforeAll(async () => {
  database = await createDatabase();
  await migrate(database.url);
  pool = createPool(database.url, logger, { name: 'spec', max: 4 });
  const days = Array.from({ length: DAYS }, (_, i) => new Date(Date.now() - i * DAY_MS).toISOString().slice(0, 10));
  await new DayPartitions(pool).ensure(days);
  await pool.query(
    `insert into events (seq, day, id, type, creator_id, handle, room_id, time, received_at, data)
     select i, ($2::date[])[1 + i % ${DAYS}], 'e' || i, 'monitor.live', 'cr_a', 'a', 'r', now(), now(), '{}' from generate_series(1, $1) i`,
    [ROWS, days],
  );
  await pool.query('update log_head set seq = $1', [ROWS]);
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

describe('many days over each other', () => {
  it('a webhook reader gets past them', async () => {
    const entries = new OutboundEventReader(pool);
    const seen: number[] = [];
    for (let after = 0, steps = 0; after < ROWS && steps < 200; steps++) {
      const page = await entries.page({}, { after, to: Infinity, limit: 100 });
      seen.push(...page.entries.map(({ seq }) => seq));
      after = page.reached;
    }
    expect(seen).toEqual(Array.from({ length: ROWS }, (_, i) => i + 1));
  });

  it.each(['asc', 'desc'] as const)(
    'pages skip and repeat nothing: %s',
    async (order) => {
      const store = new EventStore(pool);
      const seen: number[] = [];
      let bounds: { after?: number; before?: number } = {};
      for (let more = true; more && seen.length <= ROWS;) {
        const page = await store.query({}, { ...bounds, order, limit: 100 });
        seen.push(...page.events.map(({ seq }) => seq));
        more = page.more;
        bounds = order === 'asc' ? { after: page.reached } : { before: page.reached };
      }
      const all = Array.from({ length: ROWS }, (_, i) => i + 1);
      expect(seen).toEqual(order === 'asc' ? all : all.toReversed());
    },
    30_000,
  );

  it('a search by type is bounded while partitions have no index of types', async () => {
    const { rows } = await pool.query<{
      name: string;
    }>(`select indexrelid::regclass::text as name from pg_index where indrelid = 'events'::regclass
      and indexrelid::regclass::text = 'events_type_seq_idx'`);
    expect(rows).toHaveLength(1);
    const store = new EventStore(pool, { numbers: 5, msMax: 0 });
    const valid = (to: boolean) =>
      pool.query(`update pg_index set indisvalid = $1 where indexrelid = 'events_type_seq_idx'::regclass`, [to]);
    await valid(false);
    expect(await store.query({ types: ['monitor.none'] }, { order: 'asc', limit: 10 })).toMatchObject({
      events: [],
      reached: 5,
      more: true,
    });
    await valid(true);
    expect(await store.query({ types: ['monitor.none'] }, { order: 'asc', limit: 10 })).toMatchObject({ events: [], reached: 8 });
  });
});
