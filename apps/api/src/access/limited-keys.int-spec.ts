import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Envelope } from '@tributary/events';
import { waitFor } from '@tributary/testing';
import { ApiUnderTest, draft, type ProblemBody } from '../testing/api-under-test.js';

interface Page<T> {
  data: T[];
  next: string | null;
}
interface Creator {
  id: string;
  uniqueId: string;
}
type Batch = Page<{ result: string; field?: string; id?: string }>;

describe('a key that is limited to creators', () => {
  let api: ApiUnderTest;
  let mine: Creator;
  let other: Creator;
  let key: string;
  const start = Date.UTC(2026, 10, 22, 10);

  const add = async (uniqueId: string) => (await api.call<Creator>('POST', '/v1/creators', { body: { uniqueId } })).body;
  const get = <T>(path: string) => api.call<T>('GET', path, { key });
  const send = <T = ProblemBody>(method: string, path: string, body?: unknown) => api.call<T>(method, path, { key, body });
  const chat = ({ id, uniqueId }: Creator, roomId: string) => draft({ creatorId: id, handle: uniqueId, roomId });

  beforeAll(async () => {
    api = await ApiUnderTest.start();
    mine = await add('mine');
    other = await add('other');
    const session = (creator: Creator, roomId: string) => [
      draft({ ...chat(creator, roomId), type: 'monitor.live', time: start, receivedAt: start, data: { roomId } }),
      draft({ ...chat(creator, roomId), time: start + 1_000, receivedAt: start + 1_000 }),
    ];
    await api.commit([...session(other, '700'), ...session(mine, '800'), ...session(other, '701')]);
    await waitFor(async () => (await api.call<Page<object>>('GET', '/v1/sessions')).body.data.length === 3, { what: 'the sessions' });
    ({ key } = await api.makeKey(['read', 'creators:write'], { creators: ['@mine'] }));
  });
  afterAll(() => api.stop());

  it('reads the events of its creators alone: as pages in both orders, as files, by id', async () => {
    const all = (await api.call<Page<Envelope>>('GET', '/v1/events')).body.data;
    const own = all.filter(({ subject }) => subject === mine.id).map(({ id }) => id);
    expect(own).toHaveLength(2);
    for (const query of [
      '',
      '?order=desc',
      '?type=tiktok.live.*,monitor.*',
      '?user=42&type=*',
      '?creator=mine',
      `?creator=${mine.id}&creator=@MINE`,
    ]) {
      const { data } = (await get<Page<Envelope>>(`/v1/events${query}`)).body;
      expect({ query, subjects: new Set(data.map(({ subject }) => subject)) }).toEqual({ query, subjects: new Set([mine.id]) });
    }
    expect((await get<Page<Envelope>>('/v1/events?room=700')).body.data).toEqual([]);
    expect(
      (await get<string>('/v1/events/export')).body
        .trimEnd()
        .split('\n')
        .map((line) => (JSON.parse(line) as Envelope).id),
    ).toEqual(own);
    expect((await get<string>('/v1/events/export?format=csv')).body).not.toContain('other');
    for (const { id } of all) {
      const path = `/v1/events/${encodeURIComponent(id)}`;
      expect([id, (await get(path)).status]).toEqual([id, own.includes(id) ? 200 : 404]);
      expect((await api.call('HEAD', path, { key })).status).toBe(own.includes(id) ? 200 : 404);
    }
  });

  it.each(['other', '@Other', 'OTHER', 'mine,other', 'mine&creator=other', 'other&creator=mine', 'nobody.at.all'])(
    'gets the same answer for creator=%s as for a creator that was never monitored',
    async (text) => {
      for (const path of ['/v1/events', '/v1/events/export', '/v1/sessions', '/v1/stream']) {
        const { status, body } = await get<ProblemBody>(`${path}?creator=${text}`);
        expect([path, status, body.errors?.[0]?.field]).toEqual([path, 400, 'creator']);
        expect(body.detail).toMatch(/^creator: expected ids or handles of creators that are or were monitored; unknown: /);
      }
    },
  );

  it('follows its creators alone, from the past and live', async () => {
    const { next } = (await get<Page<Envelope> & { next: string }>('/v1/events?limit=1')).body;
    const reader = await api.stream(`?cursor=${next}`, { key });
    await api.commit([chat(other, '702'), chat(mine, '801'), chat(other, '702')]);
    const events = await reader.events(2);
    expect(events.map(({ subject, roomid }) => [subject, roomid])).toEqual([
      [mine.id, '800'],
      [mine.id, '801'],
    ]);
    reader.close();
  });

  it('sees sessions of its creators alone, with what is below them', async () => {
    const { data } = (await get<Page<{ creatorId: string; roomId: string }>>('/v1/sessions')).body;
    expect([...new Set(data.map(({ creatorId }) => creatorId))]).toEqual([mine.id]);
    for (const [room, status] of [
      ['800', 200],
      ['700', 404],
      ['999', 404],
    ] as const) {
      for (const part of ['', '/leaderboard?by=chats', '/timeline']) {
        const path = `/v1/sessions/${room}${part}`;
        expect([path, (await get(path)).status]).toEqual([path, status]);
      }
    }
  });

  it('lists, changes and removes its creators alone', async () => {
    expect((await get<Page<Creator>>('/v1/creators')).body.data.map(({ id }) => id)).toEqual([mine.id]);
    expect((await get<Page<Creator>>('/v1/creators?q=oth')).body.data).toEqual([]);
    for (const ref of ['other', '@other', other.id]) {
      const unknown = (await get<ProblemBody>('/v1/creators/nobody')).body;
      expect((await get<ProblemBody>(`/v1/creators/${ref}`)).body).toMatchObject({ code: unknown.code, status: 404 });
      expect((await send('PATCH', `/v1/creators/${ref}`, { paused: true })).status).toBe(404);
      expect((await send('DELETE', `/v1/creators/${ref}`)).status).toBe(404);
    }
    for (const action of ['pause', 'resume', 'remove']) {
      const { body } = await send<Batch>('POST', `/v1/creators/batch/${action}`, { creators: ['other', other.id, 'nobody'] });
      expect([action, body.data.map(({ result }) => result)]).toEqual([action, ['unknown', 'unknown', 'unknown']]);
    }
    expect((await api.call<Creator & { paused: boolean }>('GET', '/v1/creators/other')).body.paused).toBe(false);
    expect((await send<Creator>('PATCH', '/v1/creators/mine', { paused: true })).status).toBe(200);
    expect((await send<Creator>('PATCH', '/v1/creators/mine', { paused: false })).status).toBe(200);
  });

  it('has nobody monitored but its creators, which it may bring back', async () => {
    for (const uniqueId of ['other', 'quite.new']) expect((await send('POST', '/v1/creators', { uniqueId })).body.code).toBe('forbidden');
    expect((await send('DELETE', '/v1/creators/mine')).status).toBe(204);
    const { body } = await send<Batch>('POST', '/v1/creators/batch', { creators: ['quite.new', '@mine', 'other', 'mine'] });
    expect(body.data).toMatchObject([
      { result: 'invalid', field: 'uniqueId' },
      { result: 'created', id: mine.id },
      { result: 'invalid', field: 'uniqueId' },
      { result: 'exists', id: mine.id },
    ]);
    expect((await api.call('GET', '/v1/creators/quite.new')).status).toBe(404);
    expect((await send('POST', '/v1/creators', { uniqueId: 'mine' })).status).toBe(200);
  });

  it('cannot bring back a handle under which its account is somebody new', async () => {
    const before = await add('was.mine');
    await api.pool.query(`update creators set user_id = '77', deleted_at = now() where id = $1`, [before.id]);
    const since = await add('is.mine');
    await api.pool.query(`update creators set user_id = '77' where id = $1`, [since.id]);
    await api.pool.query(`update creators set deleted_at = null, user_id = null where id = $1`, [before.id]);
    const held = await api.makeKey(['creators:write'], { creators: ['was.mine'] });
    await api.pool.query(`update creators set user_id = '77', deleted_at = now() where id = $1`, [before.id]);
    expect((await api.call<ProblemBody>('POST', '/v1/creators', { key: held.key, body: { uniqueId: 'was.mine' } })).body.code).toBe(
      'forbidden',
    );
    expect((await api.call('GET', '/v1/creators/was.mine')).status).toBe(404);
  });

  it('is told how its own creators are, and nothing of the whole system', async () => {
    const { body } = await get<Record<string, { ok: boolean; total: number }>>('/v1/status');
    expect(Object.keys(body).sort()).toEqual(['creators', 'live', 'log', 'time']);
    expect(body.creators).toMatchObject({ ok: true, total: 1, byState: { unknown: 1 } });
  });

  it('may do nothing with keys', async () => {
    for (const [method, path] of [
      ['GET', '/v1/keys'],
      ['POST', '/v1/keys'],
      ['DELETE', '/v1/keys/key_1'],
    ] as const)
      expect((await send(method, path, method === 'POST' ? { name: 'mine', scopes: ['read'] } : undefined)).status).toBe(403);
  });
});
