import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createPool } from '@tributary/runtime';
import { startPostgres, type SuiteServer } from '@tributary/testing';
import type { Pool } from 'pg';
import { OutboundEventReader } from '../../delivery/request/outbound-events.js';
import { Committer } from '../writer/committer.js';
import { DayPartitions } from './days.js';
import { EventStore } from '../event-store.js';
import type { EventFilter } from '../../filter/filter.js';
import { LogRanges } from '../log-ranges.js';
import { migrate } from '../schema/migrate.js';
import { SessionsAggregate } from '../sessions/sessions-aggregate.js';

const logger = { info: () => undefined, warn: () => undefined, error: () => undefined, trace: () => undefined, debug: () => undefined };
const DAY_MS = 86_400_000;
/** Three years, at the lock table that PostgreSQL has by default: one statement over all of them fails. */
const DAYS = 1_095;
const PER_DAY = 20;
const ROWS = DAYS * PER_DAY;
const dayAt = (index: number) => new Date(Date.now() - (DAYS - 1 - index) * DAY_MS).toISOString().slice(0, 10);

let server: SuiteServer;
let pool: Pool;
beforeAll(async () => {
  server = await startPostgres();
  await migrate(server.url);
  pool = createPool(server.url, logger, { name: 'spec', max: 20 });
  for (let start = 0; start < DAYS; start += 25) {
    const days = Array.from({ length: Math.min(25, DAYS - start) }, (_, i) => start + i);
    const made = days.map((index) => {
      const name = `events_${dayAt(index).replaceAll('-', '')}`;
      return `create table ${name} (like events including all);
        alter table events attach partition ${name} for values from ('${dayAt(index)}') to ('${dayAt(index + 1)}')`;
    });
    await pool.query(made.join(';'));
    await pool.query(
      `insert into events (seq, day, id, type, creator_id, handle, room_id, time, received_at, user_id, data)
       select (i - 1) * ${PER_DAY} + n, day, 'e' || i || '-' || n, 'tiktok.live.chat', case when i = 3 then 'cr_early' else 'cr_' || n end, 'h',
         'r' || i, day + interval '1 hour', day + interval '1 hour', n::text, jsonb_build_object('comment', case when i = 5 then 'needle' else 'hay' end)
       from unnest($1::date[], $2::int[]) as d (day, i), generate_series(1, ${PER_DAY}) n`,
      [days.map(dayAt), days.map((index) => index + 1)],
    );
  }
  await pool.query('update log_head set seq = $1', [ROWS]);
}, 300_000);
afterAll(async () => {
  await pool?.end();
  await server?.remove();
});

/** All matching events, page by page. */
async function numbers(filter: EventFilter, order: 'asc' | 'desc', limit = 500): Promise<number[]> {
  const store = new EventStore(pool);
  const found: number[] = [];
  let bounds: { after?: number; before?: number } = {};
  for (;;) {
    const page = await store.query(filter, { ...bounds, order, limit });
    found.push(...page.events.map(({ seq }) => seq));
    if (!page.more) return found;
    bounds = order === 'asc' ? { after: page.reached } : { before: page.reached };
  }
}

describe('three years of days', () => {
  it('a few statements over all of them at a time would not fit into the lock table', async () => {
    const counts = await Promise.allSettled(Array.from({ length: 8 }, () => pool.query('select count(*) from events')));
    expect(counts.map((count) => (count.status === 'rejected' ? String(count.reason) : 'counted'))).toContain(
      'error: out of shared memory',
    );
  });

  it('pages, searches and catch-up find everything in both orders, twenty readers at a time', async () => {
    const store = new EventStore(pool);
    const readers = Array.from({ length: 20 }, async (_, i) => {
      const page = await store.query({}, { after: i * 1_000, order: 'asc', limit: 100 });
      expect(page.events.map(({ seq }) => seq)).toEqual(Array.from({ length: 100 }, (__, n) => i * 1_000 + n + 1));
    });
    await Promise.all(readers);
    expect((await store.query({}, { order: 'desc', limit: 3 })).events.map(({ seq }) => seq)).toEqual([ROWS, ROWS - 1, ROWS - 2]);
    const early = Array.from({ length: PER_DAY }, (_, n) => 2 * PER_DAY + n + 1);
    const needles = Array.from({ length: PER_DAY }, (_, n) => 4 * PER_DAY + n + 1);
    expect(await numbers({ creatorIds: ['cr_early'] }, 'desc')).toEqual(early.toReversed());
    expect(await numbers({ q: 'needle' }, 'desc')).toEqual(needles.toReversed());
    expect(await numbers({ roomId: 'r5' }, 'asc')).toEqual(needles);
    expect(await numbers({ since: new Date(dayAt(5)), until: new Date(dayAt(6)) }, 'asc')).toEqual(needles.map((seq) => seq + PER_DAY));
    expect(await numbers({ userId: '7' }, 'asc')).toHaveLength(DAYS);
  }, 120_000);

  it('an export, a replay by time, deliveries and session counts read all of it', async () => {
    let exported = 0;
    for await (const events of new EventStore(pool).stream({})) exported += events.length;
    expect(exported).toBe(ROWS);
    expect(await new LogRanges(pool).positionAt(new Date(dayAt(100)))).toBe(100 * PER_DAY);
    const entries = new OutboundEventReader(pool);
    let delivered = 0;
    for (let after = 0; after < ROWS;) {
      const page = await entries.page({}, { after, to: Infinity, limit: 1_000 });
      delivered += page.entries.length;
      after = page.reached;
    }
    expect(delivered).toBe(ROWS);
    const seqs = [5, 5_000, 20_000];
    const { generation } = await new EventStore(pool).head();
    const loaded = await entries.ofDeliveries([{ endpointId: 'ep', id: 'd', seqs, generation }]);
    expect(loaded.get('d')?.events.map(({ seq }) => seq)).toEqual(seqs);
    expect(await new SessionsAggregate(pool).catchUp(new AbortController().signal)).toBe(ROWS);
    expect((await pool.query('select sum(events)::int as n from sessions')).rows).toEqual([{ n: ROWS }]);
  }, 120_000);

  it('a commit stores, and retention drops a day', async () => {
    const days = new DayPartitions(pool);
    const committer = new Committer(pool, days);
    const id = `1-${BigInt(Math.floor(Date.now() / 1_000)) << 32n}`;
    const fields = {
      id,
      type: 'tiktok.live.chat',
      creator: 'cr_a',
      handle: 'a',
      room: 'r',
      ts: String(Date.now()),
      at: String(Date.now()),
      data: '{}',
    };
    const head = await committer.head();
    const result = await committer.commit(head, { from: {}, to: head.positions, entries: [{ partition: 0, entryId: '1-1', fields }] });
    expect(result).toMatchObject({ kind: 'committed', stored: 1 });
    const dropped = await days.dropOlderThan(DAYS - 3);
    expect(dropped).toEqual([`events_${dayAt(0).replaceAll('-', '')}`]);
    expect((await new EventStore(pool).head()).oldestSeq).toBe(PER_DAY + 1);
  });
});
