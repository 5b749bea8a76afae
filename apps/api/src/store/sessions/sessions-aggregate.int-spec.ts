import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { EventDraft } from '@tributary/events';
import { ApiUnderTest, draft } from '../../testing/api-under-test.js';
import { SessionsAggregate } from './sessions-aggregate.js';

let api: ApiUnderTest;
const signal = new AbortController().signal;
const viewers = (count: number, data: EventDraft['data']) =>
  Array.from({ length: count }, () => draft({ roomId: 'loud', type: 'tiktok.live.roomUser', data }));

beforeAll(async () => {
  // The counts of the process itself stand still: these tests run their own.
  api = await ApiUnderTest.start({ config: { apiRoles: ['http'] } });
});
afterAll(() => api.stop());

describe('session counts', () => {
  it('go on when numbers are as large as a producer can invent, and hold the largest number they can', async () => {
    const first = await api.commit(viewers(1, { viewers: 1e15 }));
    // 10,000 of them, stored in one statement as the store does.
    await api.pool.query(
      `insert into events (seq, day, id, type, creator_id, handle, room_id, time, received_at, data)
       select seq + n, day, id || n, type, creator_id, handle, room_id, time, received_at, data
       from events, generate_series(1, 9999) n where seq = $1`,
      [first],
    );
    await api.pool.query('update log_head set seq = $1', [first + 9_999]);
    await api.commit([draft({ roomId: 'loud', type: 'tiktok.live.gift', data: { totalDiamonds: 1e300, count: -5, user: { id: '7' } } })]);
    await api.commit([draft({ roomId: 'quiet' })]);
    await new SessionsAggregate(api.pool).catchUp(signal);
    const { rows } = await api.pool.query(
      `select room_id, viewers_sum::float8 as sum, viewers_count::int as n, diamonds::float8 as diamonds, chats::int as chats
       from sessions order by room_id`,
    );
    expect(rows).toEqual([
      { room_id: 'loud', sum: Number.MAX_SAFE_INTEGER, n: 10_000, diamonds: 1e15, chats: 0 },
      { room_id: 'quiet', sum: 0, n: 0, diamonds: 0, chats: 1 },
    ]);
  });

  it('put an event that the database refuses to count into the dead letters, say which, and count all others', async () => {
    await api.pool.query(`alter table session_users add constraint poison check (nickname <> 'poison')`);
    const chat = (nickname: string) => draft({ roomId: 'mixed', data: { user: { id: nickname, nickname }, comment: 'hello' } });
    await api.commit(Array.from({ length: 40 }, (_, i) => chat(`viewer ${i}`)));
    const bad = await api.commit([chat('poison')]);
    await api.commit(Array.from({ length: 40 }, (_, i) => chat(`viewer ${i}`)));
    const deadLettered: number[] = [];
    await new SessionsAggregate(api.pool, { onDeadLettered: (seq) => deadLettered.push(seq) }).catchUp(signal);
    expect(deadLettered).toEqual([bad]);
    const counted = await api.pool.query(`select chats::int as chats from sessions where room_id = 'mixed'`);
    expect(counted.rows).toEqual([{ chats: 80 }]);
    const dead = await api.pool.query<{ entry_id: string; reason: string; fields: string }>(
      'select entry_id, reason, fields from dead_letters',
    );
    expect(dead.rows).toMatchObject([{ entry_id: `sessions-${bad}` }]);
    expect(dead.rows[0]?.reason).toContain('poison');
    expect(dead.rows[0]?.fields).toContain('"nickname": "poison"');
  });
});
