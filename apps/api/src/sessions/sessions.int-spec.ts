import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitFor } from '@tributary/testing';
import { ApiUnderTest, draft, type ProblemBody } from '../testing/api-under-test.js';

interface Session {
  roomId: string;
  creator: string;
  endedAt: string | null;
}

describe('sessions', () => {
  let api: ApiUnderTest;
  let creatorId: string;
  const start = Date.UTC(2026, 10, 22, 10);
  const at = (seconds: number) => ({ time: start + seconds * 1000, receivedAt: start + seconds * 1000 });
  const user = (id: string) => ({ user: { id, uniqueId: `viewer${id}`, nickname: `Viewer ${id}` } });

  beforeAll(async () => {
    api = await ApiUnderTest.start();
    creatorId = (await api.call<{ id: string }>('POST', '/v1/creators', { body: { uniqueId: 'tester' } })).body.id;
    const one = { creatorId, roomId: '900' };
    await api.commit([
      draft({ ...one, ...at(0), type: 'monitor.live', data: { roomId: '900' } }),
      draft({ ...one, ...at(1), type: 'tiktok.live.roomUser', data: { viewers: 10 } }),
      draft({ ...one, ...at(2), data: { ...user('1'), comment: 'hi' } }),
      draft({ ...one, ...at(3), data: { ...user('1'), comment: 'again' } }),
      draft({ ...one, ...at(4), data: { ...user('2'), comment: 'hello' } }),
      draft({ ...one, ...at(61), type: 'tiktok.live.gift', data: { ...user('2'), count: 3, totalDiamonds: 30 } }),
      draft({ ...one, ...at(62), type: 'tiktok.live.gift', data: { ...user('3'), count: 1, totalDiamonds: 500 } }),
      draft({ ...one, ...at(63), type: 'tiktok.live.like', data: { ...user('1'), count: 15, roomLikes: 4_000 } }),
      draft({ ...one, ...at(64), type: 'tiktok.live.roomUser', data: { viewers: 31 } }),
      draft({
        ...one,
        ...at(65),
        type: 'monitor.gap',
        data: { from: '2026-11-22T10:00:10.000Z', to: '2026-11-22T10:00:12.500Z', reason: 'silence' },
      }),
      draft({ ...one, ...at(120), type: 'monitor.offline', data: { roomId: '900', confirmedBy: 'poll' } }),
      ...Array.from({ length: 12 }, (_, i) =>
        draft({ creatorId: 'cr_other', handle: 'other', roomId: String(910 + i), ...at(200 + i), type: 'monitor.live', data: {} }),
      ),
    ]);
    await waitFor(async () => (await api.call<{ data: Session[] }>('GET', '/v1/sessions')).body.data.length === 13, {
      what: 'the sessions to be counted',
    });
  });
  afterAll(() => api.stop());

  it('sums a session up from its events', async () => {
    expect((await api.call('GET', '/v1/sessions/900')).body).toMatchObject({
      creatorId,
      creator: 'tester',
      startedAt: '2026-11-22T10:00:00.000Z',
      endedAt: '2026-11-22T10:02:00.000Z',
      events: 8,
      viewers: { peak: 31, average: 20.5 },
      chats: 3,
      chatters: 2,
      likes: 15,
      roomLikes: 4_000,
      likers: 1,
      gifts: 4,
      gifters: 2,
      diamonds: 530,
      gaps: 1,
      gapMs: 2_500,
    });
  });

  it('says how many gifts are in no sum of diamonds, and takes viewers without an id for no person', async () => {
    const one = { creatorId, roomId: '950' };
    await api.commit([
      draft({ ...one, ...at(300), type: 'monitor.live', data: { roomId: '950' } }),
      draft({ ...one, ...at(301), type: 'tiktok.live.gift', data: { ...user('7'), count: 3, totalDiamonds: 30 } }),
      draft({ ...one, ...at(302), type: 'tiktok.live.gift', data: { ...user('8'), count: 2, unpriced: true } }),
      draft({ ...one, ...at(303), type: 'tiktok.live.gift', data: { user: { id: '0', nickname: 'A' }, count: 1, totalDiamonds: 900 } }),
      draft({ ...one, ...at(304), type: 'tiktok.live.gift', data: { user: { nickname: 'B' }, count: 1, totalDiamonds: 900 } }),
      draft({ ...one, ...at(305), data: { user: { id: '0', nickname: 'A' }, comment: 'one' } }),
      draft({ ...one, ...at(306), data: { user: { id: '', nickname: 'B' }, comment: 'another' } }),
      draft({ ...one, ...at(307), type: 'monitor.offline', data: { roomId: '950', confirmedBy: 'poll' } }),
    ]);
    const session = await waitFor(
      async () => {
        const { body } = await api.call<Session & { chats: number }>('GET', '/v1/sessions/950');
        return body.endedAt ? body : undefined;
      },
      { what: 'the session to be counted' },
    );
    expect(session).toMatchObject({ gifts: 7, unpricedGifts: 2, diamonds: 1_830, gifters: 2, chats: 2, chatters: 0 });
    const leaders = async (by: string) => (await api.call<{ data: object[] }>('GET', `/v1/sessions/950/leaderboard?by=${by}`)).body.data;
    expect(await leaders('diamonds')).toMatchObject([{ rank: 1, user: { id: '7' }, diamonds: 30, unpricedGifts: 0 }]);
    expect(await leaders('chats')).toEqual([]);
    const { body } = await api.call<{ data: object[] }>('GET', '/v1/sessions/950/timeline?bucket=1h');
    expect(body.data).toMatchObject([{ gifts: 7, unpricedGifts: 2, diamonds: 1_830 }]);
  });

  it('lists each session once over its pages, newest first', async () => {
    const rooms: string[] = [];
    for (let cursor = ''; ;) {
      const { body } = await api.call<{ data: Session[]; next: string | null }>(
        'GET',
        `/v1/sessions?limit=5${cursor && `&cursor=${cursor}`}`,
      );
      rooms.push(...body.data.map(({ roomId }) => roomId));
      if (body.next === null) break;
      cursor = body.next;
    }
    expect(rooms).toEqual(['950', ...Array.from({ length: 12 }, (_, i) => String(921 - i)), '900']);
  });

  it('finds sessions by creator, time and whether they are live', async () => {
    const rooms = async (query: string) =>
      (await api.call<{ data: Session[] }>('GET', `/v1/sessions?${query}`)).body.data.map(({ roomId }) => roomId);
    expect(await rooms('creator=tester')).toEqual(['950', '900']);
    expect(await rooms('live=false')).toEqual(['950', '900']);
    expect((await rooms('live=true')).length).toBe(12);
    expect(await rooms('since=2026-11-22T10:02:30Z')).not.toContain('900');
    expect(await rooms('until=2026-11-22T10:02:30Z')).toEqual(['900']);
  });

  it('ranks viewers by what was asked', async () => {
    const leaders = async (by: string) =>
      (await api.call<{ data: { rank: number; user: { id: string } }[] }>('GET', `/v1/sessions/900/leaderboard?by=${by}`)).body.data.map(
        ({ user: { id } }) => id,
      );
    expect(await leaders('diamonds')).toEqual(['3', '2']);
    expect(await leaders('chats')).toEqual(['1', '2']);
    expect(await leaders('likes')).toEqual(['1']);
    expect((await api.call<ProblemBody>('GET', '/v1/sessions/900/leaderboard?by=fame')).body.errors?.[0]?.field).toBe('by');
  });

  it('shows a session over time in buckets of the width asked for', async () => {
    const { body } = await api.call<{ bucket: string; data: object[] }>('GET', '/v1/sessions/900/timeline?bucket=1m');
    expect(body.data).toMatchObject([
      { at: '2026-11-22T10:00:00.000Z', viewers: 10, chats: 3, diamonds: 0 },
      { at: '2026-11-22T10:01:00.000Z', viewers: 31, gifts: 4, diamonds: 530, likes: 15 },
      { at: '2026-11-22T10:02:00.000Z', viewers: null },
    ]);
    expect((await api.call<ProblemBody>('GET', '/v1/sessions/900/timeline?bucket=2s')).body.errors?.[0]?.field).toBe('bucket');
  });

  it('answers 404 for a room it has no session of', async () => {
    for (const path of ['', '/leaderboard', '/timeline']) expect((await api.call('GET', `/v1/sessions/1${path}`)).status).toBe(404);
  });
});
