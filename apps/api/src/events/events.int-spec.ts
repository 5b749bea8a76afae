import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { encodeCursor } from '@tributary/log';
import type { Envelope } from '@tributary/events';
import { ApiUnderTest, draft, type ProblemBody } from '../testing/api-under-test.js';

interface Page {
  data: Envelope[];
  next: string;
  more: boolean;
}

describe('events', () => {
  let api: ApiUnderTest;
  let creatorId: string;
  let generation: number;
  beforeAll(async () => {
    api = await ApiUnderTest.start();
    creatorId = (await api.call<{ id: string }>('POST', '/v1/creators', { body: { uniqueId: 'tester' } })).body.id;
    generation = Number((await api.pool.query<{ generation: string }>('select generation from log_head')).rows[0]!.generation);
  });
  afterAll(() => api.stop());

  const page = async (query: string) => (await api.call<Page>('GET', `/v1/events?${query}`)).body;
  const problem = async (query: string) => (await api.call<ProblemBody>('GET', `/v1/events?${query}`)).body;

  it('shows an event as CloudEvents JSON, in lists and by id', async () => {
    const event = draft({ creatorId, roomId: '100', data: { user: { id: '7', uniqueId: 'Seven' }, comment: 'first ümlaut 🎉' } });
    await api.commit([event]);
    const { data } = await page('room=100');
    expect(data).toEqual([
      {
        specversion: '1.0',
        id: event.id,
        source: '/tiktok/creators/tester/rooms/100',
        type: 'tiktok.live.chat',
        subject: creatorId,
        time: new Date(event.time).toISOString(),
        datacontenttype: 'application/json',
        creator: 'tester',
        roomid: '100',
        receivedat: new Date(event.receivedAt).toISOString(),
        position: expect.any(String),
        data: event.data,
      },
    ]);
    expect((await api.call<Envelope>('GET', `/v1/events/${event.id}`)).body).toEqual(data[0]);
    expect((await api.call('GET', '/v1/events/100-1')).status).toBe(404);
    expect((await api.call('GET', `/v1/events/${event.id}?raw=1`)).status).toBe(400);
    await api.pool.query(`update events set raw = '\\x0102' where id = $1`, [event.id]);
    expect((await api.call<Envelope>('GET', `/v1/events/${event.id}`)).body).toEqual(data[0]);
    expect((await api.call('GET', `/v1/events/${event.id}?raw=true`)).body).toHaveProperty('raw', 'AQI=');
  });

  it('finds an event by id in the day that the id names, or undated, and looks nowhere else', async () => {
    const [here, undated, elsewhere] = [
      draft({ creatorId, roomId: '110' }),
      draft({ id: '110-5', roomId: '110' }),
      draft({ roomId: '110' }),
    ];
    await api.commit([here, undated, elsewhere, draft({ id: `110-${BigInt(Date.UTC(2026, 9, 1) / 1000) << 32n}`, roomId: '110' })]);
    await api.pool.query(`update events set day = '2026-10-01' where id = $1`, [elsewhere.id]);
    const statuses = await Promise.all(
      [here, undated, elsewhere].map(async ({ id }) => (await api.call('GET', `/v1/events/${id}`)).status),
    );
    expect(statuses).toEqual([200, 200, 404]);
  });

  it('filters by every parameter it names', async () => {
    const at = Date.UTC(2026, 10, 22, 12);
    await api.commit([
      draft({ creatorId, roomId: '200', type: 'tiktok.live.gift', receivedAt: at, data: { user: { id: '1', uniqueId: 'Anna' } } }),
      draft({ creatorId, roomId: '200', receivedAt: at + 1_000, data: { user: { id: '2', uniqueId: 'Ben' }, comment: '100% off_' } }),
      draft({
        creatorId: 'cr_gone',
        handle: 'gone',
        roomId: '200',
        type: 'monitor.gap',
        receivedAt: at + 2_000,
        data: { reason: 'silence' },
      }),
    ]);
    const types = async (query: string) => (await page(`room=200&${query}`)).data.map(({ type }) => type.split('.').at(-1)).join();
    expect(await types('')).toBe('gift,chat,gap');
    expect(await types('type=tiktok.live.*')).toBe('gift,chat');
    expect(await types('type=tiktok.live.gift,monitor.*')).toBe('gift,gap');
    expect(await types('type=tiktok.live.gift&type=tiktok.live.chat')).toBe('gift,chat');
    expect(await types(`creator=${creatorId}`)).toBe('gift,chat');
    expect(await types('creator=@Tester')).toBe('gift,chat');
    expect(await types('user=@anna')).toBe('gift');
    expect(await types('user=2')).toBe('chat');
    expect(await types('q=0%25 OFF_')).toBe('chat');
    expect(await types('q=%25%25')).toBe('');
    expect(await types('since=2026-11-22T12:00:01Z')).toBe('chat,gap');
    expect(await types('since=2026-11-22T13:00:01%2B01:00&until=2026-11-22T12:00:02Z')).toBe('chat');
    expect(await types('order=desc&limit=2')).toBe('gap,chat');
  });

  it('names the parameter that is wrong', async () => {
    const cases: [string, string][] = [
      ['limit=0', 'limit'],
      ['limit=1001', 'limit'],
      ['limit=ten', 'limit'],
      ['order=up', 'order'],
      ['type=tiktok.live.chta', 'type'],
      ['type=', 'type'],
      ['type=,', 'type'],
      ['creator=', 'creator'],
      ['creator=nobody.ever', 'creator'],
      ['since=yesterday', 'since'],
      ['since=2026-11-31', 'since'],
      ['since=2026-W47', 'since'],
      ['until=-0001-01-01', 'until'],
      ['q=a%00b', 'q'],
      ['since=2026-11-22&until=2026-11-22', 'until'],
      ['raw=perhaps', 'raw'],
      ['cursor=nonsense', 'cursor'],
      ['colour=red', 'colour'],
    ];
    for (const [query, field] of cases) {
      const answer = await problem(query);
      expect({ query, status: answer.status, fields: [...new Set(answer.errors?.map((error) => error.field))] }).toEqual({
        query,
        status: 400,
        fields: [field],
      });
    }
  });

  it('gives with `more: false` the head of the log as next, whatever the filters', async () => {
    const head = await api.commit([draft({ creatorId, roomId: '300' }), draft({ creatorId, roomId: '301' })]);
    const answer = await page('room=300');
    expect(answer).toMatchObject({ more: false, next: encodeCursor({ generation, seq: head }) });
    expect(await page(`room=300&cursor=${answer.next}`)).toMatchObject({ data: [], more: false, next: answer.next });
    expect(await page('room=nothing')).toMatchObject({ data: [], more: false, next: answer.next });
  });

  it('loses and repeats nothing while others commit', async () => {
    const total = 600;
    const writers = (async () => {
      for (let i = 0; i < total; i += 20) await api.commit(Array.from({ length: 20 }, () => draft({ creatorId, roomId: '400' })));
    })();
    const seen: string[] = [];
    for (let cursor = ''; seen.length < total;) {
      const answer = await page(`room=400&limit=37${cursor && `&cursor=${cursor}`}`);
      seen.push(...answer.data.map(({ id }) => id));
      cursor = answer.next;
    }
    await writers;
    const { rows } = await api.pool.query<{ id: string }>(`select id from events where room_id = '400' order by seq`);
    expect(seen).toEqual(rows.map(({ id }) => id));
  });

  it('walks back over everything with order=desc, and its cursors lead no other way', async () => {
    await api.commit(Array.from({ length: 25 }, () => draft({ creatorId, roomId: '500' })));
    const forward = (await page('room=500&limit=1000')).data.map(({ id }) => id);
    const back: string[] = [];
    let answer = await page('room=500&order=desc&limit=10');
    for (; ; answer = await page(`room=500&order=desc&limit=10&cursor=${answer.next}`)) {
      back.push(...answer.data.map(({ id }) => id));
      if (!answer.more) break;
    }
    expect(back).toEqual(forward.reverse());
    const descending = (await page('room=500&order=desc&limit=10')).next;
    expect(await problem(`cursor=${descending}`)).toMatchObject({ status: 400, errors: [{ field: 'cursor' }] });
    const stream = await api.stream(`?cursor=${descending}`);
    expect(stream.response.status).toBe(400);
    stream.close();
  });

  it('walks back from the position of any event', async () => {
    const { data } = await page('room=500&limit=5');
    const answer = await page(`room=500&order=desc&cursor=${data[4]!.position}`);
    expect(answer.data.map(({ id }) => id)).toEqual(
      data
        .slice(0, 4)
        .map(({ id }) => id)
        .reverse(),
    );
  });

  it('answers 410 and names the cursor when it cannot be honoured', async () => {
    const { rows } = await api.pool.query<{ seq: number }>('select seq::float8 as seq from log_head');
    const seq = rows[0]!.seq;
    for (const position of [
      { generation: generation - 1, seq: 1 },
      { generation, seq: seq + 1 },
    ]) {
      const answer = await problem(`cursor=${encodeCursor(position)}`);
      expect(answer).toMatchObject({ status: 410, reason: 'restored', errors: [{ field: 'cursor' }] });
    }
    await api.pool.query('update log_head set oldest_seq = 5');
    expect(await problem(`cursor=${encodeCursor({ generation, seq: 3 })}`)).toMatchObject({ status: 410, reason: 'expired' });
    expect((await api.call('GET', `/v1/events?cursor=${encodeCursor({ generation, seq: 4 })}`)).status).toBe(200);
    await api.pool.query('update log_head set oldest_seq = 1');
  });

  it('exports everything that matches, as NDJSON and as CSV that a spreadsheet cannot be tricked with', async () => {
    const tricky = { user: { id: '1', uniqueId: '=cmd' }, comment: 'a,"b"\nc' };
    await api.commit([
      ...Array.from({ length: 1_500 }, () => draft({ creatorId, roomId: '600' })),
      draft({ creatorId, roomId: '600', data: tricky }),
    ]);
    const lines = (await api.call<string>('GET', '/v1/events/export?room=600')).body.trimEnd().split('\n');
    const all: string[] = [];
    for (let cursor = '', more = true; more;) {
      const answer = await page(`room=600&limit=1000${cursor && `&cursor=${cursor}`}`);
      all.push(...answer.data.map(({ id }) => id));
      ({ next: cursor, more } = answer);
    }
    expect(lines.map((line) => (JSON.parse(line) as Envelope).id)).toEqual(all);
    const csv = await api.call<string>('GET', '/v1/events/export?room=600&format=csv');
    expect(csv.headers.get('content-type')).toContain('text/csv');
    const rows = csv.body.trimEnd().split('\r\n');
    expect(rows).toHaveLength(1_502);
    expect(rows[0]).toBe('position,id,type,time,receivedat,subject,creator,roomid,user_id,user,data');
    expect(rows.at(-1)).toContain(`,1,'=cmd,"{""user"":`);
    const excel = await fetch(`${api.url}/v1/events/export?room=600&format=csv&spreadsheet=true`, {
      headers: { authorization: `Bearer ${api.adminKey}` },
    });
    expect(
      Buffer.from(await excel.arrayBuffer())
        .subarray(0, 11)
        .toString('latin1'),
    ).toBe('\u00ef\u00bb\u00bfposition');
    const forSpreadsheet = (await api.call<string>('GET', '/v1/events/export?room=600&format=csv&spreadsheet=true')).body
      .trimEnd()
      .split('\r\n');
    expect(forSpreadsheet).toHaveLength(1_502);
    expect(forSpreadsheet.at(-1)).toContain(`,'600,'1,'=cmd,"{""user"":`);
    const without = await api.call('GET', '/v1/events/export?room=600&spreadsheet=true');
    expect(without).toMatchObject({ status: 400, body: { errors: [{ field: 'spreadsheet' }] } });
    const some = lines[9]!;
    const rest = (await api.call<string>('GET', `/v1/events/export?room=600&cursor=${(JSON.parse(some) as Envelope).position}`)).body;
    expect(rest.split('\n')[0]).toBe(lines[10]);
  });
});
