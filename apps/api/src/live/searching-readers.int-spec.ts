import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { encodeCursor } from '@tributary/log';
import { DayPartitions } from '../store/retention/days.js';
import { ApiUnderTest } from '../testing/api-under-test.js';

const ROWS = Number(process.env.ROWS ?? 200_000);
const STEP = 50_000;

let api: ApiUnderTest;
let generation = 0;

beforeAll(async () => {
  api = await ApiUnderTest.start({ config: { webhookSecretKey: Buffer.alloc(32, 7).toString('base64') } });
  const day = new Date().toISOString().slice(0, 10);
  await new DayPartitions(api.pool).ensure([day]);
  for (let from = 1; from <= ROWS; from += STEP) {
    await api.pool.query(
      `insert into events (seq, day, id, type, creator_id, handle, room_id, time, received_at, user_id, user_handle, data)
       select i, $1, 'r-' || i, 'tiktok.live.chat', 'cr_' || (i % 500), 'h', 'r', now(), now(), (i % 50000)::text, 'u',
         jsonb_build_object('comment', repeat('hay ', 30), 'user', jsonb_build_object('id', (i % 50000)::text))
       from generate_series($2::int, $3::int) i`,
      [day, from, from + STEP - 1],
    );
  }
  const { rows } = await api.pool.query<{ generation: number }>('update log_head set seq = $1 returning generation::float8', [ROWS]);
  generation = rows[0]?.generation ?? 0;
  await api.pool.query('analyze events');
});
afterAll(() => api.stop());

describe('live readers that catch up with a text nobody wrote', () => {
  it('delay no plain request, and another key waits for its search no longer than its turn takes', async () => {
    const [key, other] = [await api.key('read'), await api.key('read')];
    const streams = await Promise.all(
      Array.from({ length: 50 }, () => api.stream(`?q=needle&cursor=${encodeCursor({ generation, seq: 0 })}`, { key })),
    );
    for (const stream of streams) void stream.next().catch(() => undefined);
    const times: number[] = [];
    for (const end = Date.now() + 4_000; Date.now() < end; await delay(50)) {
      const startedAt = performance.now();
      expect(await api.call('GET', '/v1/creators?limit=1')).toMatchObject({ status: 200 });
      times.push(performance.now() - startedAt);
    }
    expect(Math.max(...times)).toBeLessThan(1_000);
    const connections = await api.pool.query<{ n: number }>(
      `select count(*)::int as n from pg_stat_activity
       where datname = current_database() and application_name = 'tributary-search' and state = 'active'`,
    );
    expect(connections.rows[0]?.n).toBeLessThanOrEqual(1);
    expect(await api.call('GET', '/v1/events?q=needle&limit=1', { key: other })).toMatchObject({ status: 200 });
    expect(await api.call('GET', '/v1/events?q=needle&limit=1', { key })).toMatchObject({ status: 200 });
    for (const stream of streams) stream.close();
  });
});
