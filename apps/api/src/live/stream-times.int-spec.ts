import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { decodeCursor, encodeCursor } from '@tributary/log';
import { waitFor } from '@tributary/testing';
import { ApiUnderTest, draft, type Frame, type LiveReader } from '../testing/api-under-test.js';

const START = Date.UTC(2026, 10, 22, 10);
const LATE_MS = 400;
const iso = (ms: number) => encodeURIComponent(new Date(ms).toISOString());
const at = (second: number) => iso(START + second * 1_000);

describe('a live stream with times', () => {
  let api: ApiUnderTest;
  let creatorId: string;
  let first: number;
  const open: LiveReader[] = [];
  beforeAll(async () => {
    api = await ApiUnderTest.start({ config: { streamsPerKeyMax: 50 }, limits: { heartbeatMs: 100, lateMs: LATE_MS } });
    creatorId = (await api.call<{ id: string }>('POST', '/v1/creators', { body: { uniqueId: 'tester' } })).body.id;
    // One event a second: viewers, rooms and types take turns.
    const head = await api.commit(
      Array.from({ length: 60 }, (_, n) =>
        draft({
          creatorId: n % 2 === 0 ? creatorId : 'cr_other',
          roomId: String(7 + (n % 3)),
          type: n % 5 === 0 ? 'tiktok.live.gift' : 'tiktok.live.chat',
          time: START + n * 1_000,
          receivedAt: START + n * 1_000,
          data: { user: { id: String(n % 4), uniqueId: `Viewer.${n % 4}` }, comment: n % 7 === 0 ? 'NEEDLE' : 'hay' },
        }),
      ),
    );
    first = head - 59;
  });
  afterAll(() => api.stop());
  afterEach(async () => {
    for (const reader of open.splice(0)) reader.close();
    await waitFor(async () => (await streams()) === 0, { what: 'every stream to be forgotten' });
  });

  const streams = async () => (await api.call<{ live: { streams: number } }>('GET', '/v1/status')).body.live.streams;
  const subscribe = async (...args: Parameters<ApiUnderTest['stream']>) => {
    const reader = await api.stream(...args);
    open.push(reader);
    return reader;
  };
  const listed = async (query: string) =>
    (await api.call<{ data: { id: string }[] }>('GET', `/v1/events?limit=1000&${query}`)).body.data.map(({ id }) => id);
  /** Every frame up to the end of a stream. */
  const all = async (query: string) => {
    const reader = await subscribe(`?${query}`);
    const frames: Frame[] = [];
    for (let frame = await reader.next(); frame; frame = await reader.next()) frames.push(frame);
    return frames;
  };
  const idsOf = (frames: Frame[]) => frames.filter(({ event }) => event.includes('.')).map(({ data }) => data.id);

  it('starts at since, says so, and goes on live', async () => {
    const reader = await subscribe(`?since=${at(50)}`);
    const hello = await reader.next();
    expect(hello).toMatchObject({ event: 'hello', data: { from: 'since', recovered: true } });
    expect(decodeCursor(hello!.id!)!.seq).toBe(first + 49);
    expect((await reader.events(10)).map(({ id }) => id)).toEqual(await listed(`since=${at(50)}`));
    const late = draft({ receivedAt: START + 3_600_000 });
    await api.commit([late]);
    expect((await reader.events(1))[0]!.id).toBe(late.id);
    await api.pool.query('delete from events where id = $1', [late.id]);
  });

  it('goes on from a cursor where one is given too, and keeps to since all the same', async () => {
    const generation = Number((await api.pool.query<{ generation: string }>('select generation from log_head')).rows[0]!.generation);
    const cursor = encodeCursor({ generation, seq: first + 9 });
    const frames = await all(`cursor=${cursor}&since=${at(20)}&until=${at(30)}`);
    expect(frames[0]).toMatchObject({ id: cursor, data: { from: 'cursor' } });
    expect(idsOf(frames)).toEqual(await listed(`since=${at(20)}&until=${at(30)}`));
  });

  it('begins at since again where its cursor cannot be honoured, and says that', async () => {
    const generation = Number((await api.pool.query<{ generation: string }>('select generation from log_head')).rows[0]!.generation);
    const reader = await subscribe(`?cursor=${encodeCursor({ generation: generation + 1, seq: 1 })}&since=${at(58)}`);
    expect(await reader.next()).toMatchObject({ data: { from: 'since', recovered: false, reason: 'restored' } });
    expect(await reader.events(2)).toHaveLength(2);
  });

  it('that starts before the oldest event gives a position that it may come back with', async () => {
    await api.pool.query('update log_head set oldest_seq = $1', [first + 10]);
    const reader = await subscribe(`?since=2020-01-01`);
    const hello = (await reader.next())!;
    expect(decodeCursor(hello.id!)!.seq).toBe(first + 9);
    const again = await subscribe('', { headers: { 'last-event-id': hello.id! } });
    expect(await again.next()).toMatchObject({ data: { recovered: true, from: 'cursor' } });
    await api.pool.query('update log_head set oldest_seq = 1');
  });

  it('with an until that is past sends everything before it, then closes with the reason', async () => {
    const frames = await all(`since=${at(10)}&until=${at(20)}`);
    expect(idsOf(frames)).toEqual(await listed(`since=${at(10)}&until=${at(20)}`));
    expect(idsOf(frames)).toHaveLength(10);
    const closed = frames.at(-1)!;
    expect(closed).toMatchObject({ event: 'closed', data: { reason: 'until', code: 4000, position: closed.id } });
    // Everything up to there was looked at.
    expect(decodeCursor(closed.id!)!.seq).toBeGreaterThanOrEqual(first + 59);
  });

  it('closes at an until that is past even where nothing matches, and without since', async () => {
    const frames = await all(`until=${at(20)}`);
    expect(frames.map(({ event }) => event)).toEqual(['hello', 'closed']);
    expect(frames[1]!.data.reason).toBe('until');
  });

  it('stays open to an until that lies ahead, gives what comes before it, and closes then', async () => {
    const until = Date.now() + 1_500;
    const reader = await subscribe(`?room=ahead&until=${iso(until)}`);
    await reader.next();
    const [before, after] = [until - 1_000, until].map((receivedAt) => draft({ roomId: 'ahead', receivedAt }));
    await api.commit([before!, after!]);
    expect((await reader.events(1))[0]!.id).toBe(before!.id);
    let frame = await reader.next();
    while (frame?.event === 'position') frame = await reader.next();
    expect(frame).toMatchObject({ event: 'closed', data: { reason: 'until' } });
    expect(Date.now()).toBeGreaterThanOrEqual(until + LATE_MS);
    expect(await reader.next()).toBeUndefined();
  });

  it('takes an until of the far future without closing at once', async () => {
    const reader = await subscribe('?until=2099-01-01&room=none');
    await reader.next();
    const head = await api.commit([draft({ roomId: 'other' })]);
    await waitFor(async () => {
      const frame = await reader.next();
      expect(frame?.event).toBe('position');
      return decodeCursor(frame!.id!)!.seq >= head;
    });
  });

  it('tells a reader that comes back after its end to come no more, unless something is left for it', async () => {
    const query = `?since=${at(10)}&until=${at(20)}`;
    const frames = await all(query.slice(1));
    const back = (id: string) =>
      fetch(`${api.url}/v1/stream${query}`, { headers: { authorization: `Bearer ${api.adminKey}`, 'last-event-id': id } });
    expect((await back(frames.at(-1)!.id!)).status).toBe(204);
    expect((await back(frames.at(-2)!.id!)).status).toBe(204);
    const left = await back(frames.at(-3)!.id!);
    expect(left.status).toBe(200);
    expect((await left.text()).match(/^event: .*$/gm)).toEqual(['event: hello', expect.stringMatching(/^event: tiktok/), 'event: closed']);
  });

  it('means by each field of a filter what a list means by it', async () => {
    const queries = [
      'creator=tester',
      'creator=tester,cr_other',
      'room=8',
      'type=tiktok.live.gift',
      'type=tiktok.live.*',
      'type=monitor.*',
      'user=2',
      'user=@viewer.3',
      'user=VIEWER.1',
      'user=0',
      'q=needle',
      'q=NEEDLE&user=3&room=7',
      `since=${at(5)}`,
      `since=${at(5)}&type=tiktok.live.gift`,
      `since=${at(40)}&creator=tester&q=hay`,
      'since=2026-11-22T10:00:07.5Z',
      'since=2026-11-22',
    ];
    const until = `until=${at(45)}`;
    for (const query of queries) {
      if (query.includes('cr_other')) continue;
      const start = query.includes('since') ? '' : '&since=2020-01-01';
      const frames = await all(`${query}&${until}${start}`);
      expect({ query, ids: idsOf(frames) }).toEqual({ query, ids: await listed(`${query}&${until}`) });
    }
    for (const bad of [
      'room=a%20b',
      'creator=nobody',
      'type=tiktok.live.chta',
      `since=${at(9)}&until=${at(8)}`,
      'since=yesterday',
      'until=1',
      'q=',
    ]) {
      const [list, stream] = await Promise.all(['events', 'stream'].map((route) => api.call('GET', `/v1/${route}?${bad}`)));
      expect({ bad, status: stream!.status, errors: stream!.body.errors }).toEqual({ bad, status: 400, errors: list!.body.errors });
    }
  });
});

describe('HEAD', () => {
  let api: ApiUnderTest;
  beforeAll(async () => {
    api = await ApiUnderTest.start({ config: { streamsPerKeyMax: 1 } });
    await api.commit(Array.from({ length: 5 }, () => draft()));
  });
  afterAll(() => api.stop());

  it('answers what GET would begin with, holds no stream open, and starts no export', async () => {
    for (let i = 0; i < 5; i++) {
      const stream = await api.call<string>('HEAD', '/v1/stream?type=tiktok.live.chat');
      expect({ status: stream.status, type: stream.headers.get('content-type'), body: stream.body }).toEqual({
        status: 200,
        type: 'text/event-stream; charset=utf-8',
        body: '',
      });
      const file = await api.call<string>('HEAD', '/v1/events/export?format=csv');
      expect({ status: file.status, type: file.headers.get('content-type'), body: file.body }).toEqual({
        status: 200,
        type: 'text/csv; charset=utf-8',
        body: '',
      });
    }
    const status = await api.call<{ live: { streams: number } }>('GET', '/v1/status');
    expect(status.body.live.streams).toBe(0);
    expect((await api.call<string>('GET', '/metrics')).body).toMatch(/tributary_exports_running\{[^}]*\} 0/);
  });

  it('is refused as GET is', async () => {
    expect((await api.call('HEAD', '/v1/stream?cursor=nonsense')).status).toBe(400);
    expect((await api.call('HEAD', '/v1/stream', { key: null })).status).toBe(401);
    expect((await api.call('HEAD', '/v1/events/export?format=xml')).status).toBe(400);
  });

  it('answers on every route that GET answers on', async () => {
    const { paths } = (await api.call<{ paths: Record<string, Record<string, object>> }>('GET', '/openapi.json')).body;
    const routes = Object.keys(paths).filter((path) => paths[path]!.get && !path.includes('{'));
    expect(routes).toContain('/v1/stream');
    for (const path of routes) {
      const head = await api.call('HEAD', path);
      // A stream has no end.
      const status = path === '/v1/stream' ? 200 : (await api.call('GET', path)).status;
      expect({ path, status: head.status, body: head.body }).toEqual({ path, status, body: '' });
    }
  });
});
