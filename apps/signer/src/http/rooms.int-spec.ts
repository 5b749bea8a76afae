import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Simulator } from '@tributary/testing';
import { type RunningSigner, startSigner } from '../testing/start-signer.js';

const NAME = 'luna.bakes';

describe('what the signer knows of rooms', () => {
  let simulator: Simulator;
  let signer: RunningSigner;

  beforeEach(async () => {
    simulator = await new Simulator({
      rooms: [
        { uniqueId: NAME, title: 'Sourdough', nickname: 'Luna' },
        { uniqueId: 'gated', gated: true },
      ],
    }).start();
    const tiktok = { tiktokWebUrl: simulator.url, tiktokWebcastUrl: simulator.url, tiktokSocketUrl: simulator.socketUrl };
    signer = await startSigner({ signProviders: ['simulator'], ...tiktok, signRoomCacheMs: 60_000 });
  });
  afterEach(async () => {
    await signer.stop();
    await simulator.stop();
  });
  const room = () => simulator.room(NAME) ?? { roomId: '', userId: '' };
  const get = async <T>(path: string): Promise<{ status: number; body: T }> => {
    const response = await fetch(signer.url + path);
    return { status: response.status, body: (await response.json()) as T };
  };
  const post = async (path: string, body: unknown) => {
    const response = await fetch(signer.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return { status: response.status, body: (await response.json()) as { message: string; response: { data: Record<string, unknown> } } };
  };
  const upstream = (route: string) => simulator.stats().requests[route] ?? 0;

  it('finds a room once for many who ask, and says what said it', async () => {
    const answers = await Promise.all(Array.from({ length: 50 }, () => get<{ source: string }>(`/webcast/anchors/${NAME}/room_id`)));
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    expect(new Set(answers.map(({ body }) => body.source))).toEqual(new Set(['live page', 'live page (cached)']));
    expect(answers[0]?.body).toMatchObject({ ok: true, is_live: true, room_id: room().roomId, message: expect.stringMatching(/.{10}/) });
    expect((await get(`/webcast/room_id?uniqueId=%40${NAME}`)).body).toMatchObject({ room_id: room().roomId });
    expect(upstream('page')).toBe(1);
    expect(await (await fetch(`${signer.url}/metrics`)).text()).toMatch(
      /sign_cache_total\{kind="room",origin="loaded",process="signer"\} 1/,
    );
  });

  it('goes on saying what it knows while TikTok refuses to', async () => {
    await signer.stop();
    signer = await startSigner({
      signProviders: ['simulator'],
      tiktokWebUrl: simulator.url,
      tiktokWebcastUrl: simulator.url,
      signRoomCacheMs: 1,
    });
    await get(`/webcast/anchors/${NAME}/room_id`);
    simulator.fault({ kind: 'http403', durationMs: 60_000 });
    expect((await get(`/webcast/anchors/${NAME}/room_id`)).body).toMatchObject({
      is_live: true,
      room_id: room().roomId,
      source: 'live page (cached)',
    });
    expect((await get('/webcast/anchors/gated/room_id')).status).toBe(503);
  });

  it('tells what a room shows: title, owner, viewers, when it began; and no less than that it is live where it is gated', async () => {
    expect((await get(`/webcast/anchors/${NAME}/room_info`)).body).toMatchObject({
      code: 200,
      ok: true,
      data: {
        unique_id: NAME,
        user: { unique_id: NAME, numeric_uid: room().userId, nickname: 'Luna' },
        room_info: {
          id: room().roomId,
          is_live: true,
          status: 2,
          title: 'Sourdough',
          start_time: expect.any(Number),
          total_viewers: expect.any(Number),
        },
        raw: { _note: expect.any(String) },
      },
    });
    expect((await get('/webcast/room_info?uniqueId=gated')).body).toMatchObject({ ok: true, data: { room_info: { is_live: true } } });
    expect((await get(`/webcast/anchors/${NAME}/user_id`)).body).toMatchObject({ code: 200, numeric_user_id: room().userId });
  });

  it('answers handles that nobody has, and those that cannot be', async () => {
    expect((await get('/webcast/anchors/nobody.here/room_id')).body).toMatchObject({ code: 404, ok: false, reason: 'not-found' });
    expect((await get('/webcast/anchors/https%3A%2F%2Fexample.com%2F%40x/room_id')).body).toMatchObject({
      code: 400,
      message: /^unique_id: /,
    });
  });

  it('gives the gift list in the shape of each generation, asked of TikTok once', async () => {
    const { body } = await get<{
      response: { page_gifts: number[]; room_id: string; gift_overrides: object; data: { gifts: { name: string }[] } };
    }>(`/webcast/rooms/${room().roomId}/gifts`);
    expect(body.response).toMatchObject({ room_id: room().roomId, gift_overrides: {} });
    expect(body.response.page_gifts.length).toBe(body.response.data.gifts.length);
    const legacy = await get<{ response: { data: { gifts: { name: string }[] } } }>(`/webcast/gift_info?room_id=${room().roomId}`);
    expect(legacy.body.response.data.gifts.map(({ name }) => name)).toContain('Rose');
    expect(upstream('gift/list')).toBe(1);
    expect((await get(`/webcast/rooms/abc/gifts`)).body).toMatchObject({ code: 400, message: /^room_id: / });
    expect((await get(`/webcast/rooms/${room().roomId}/gifts?webcast_language=%3Cscript%3E`)).status).toBe(400);
  });

  it('says why there is no gift list', async () => {
    simulator.fault({ kind: 'empty200', path: '/webcast/gift/list/', count: 1 });
    expect((await get(`/webcast/rooms/${room().roomId}/gifts`)).body).toMatchObject({ code: 503, reason: 'blocked' });
    await signer.stop();
    const tiktok = { tiktokWebUrl: simulator.url, tiktokWebcastUrl: simulator.url };
    signer = await startSigner({ signProviders: ['anonymous'], ...tiktok, tiktokSocketUrl: simulator.socketUrl });
    expect((await get(`/webcast/rooms/${room().roomId}/gifts`)).body).toMatchObject({ code: 501, reason: 'unsupported' });
  });

  it('checks many users at once: one request for their rooms, null for who was never met', async () => {
    const ids = [room().userId, '7000000000000000001'];
    expect((await post('/webcast/bulk_live_check', { user_numeric_ids: ids })).body.response.data).toEqual({
      [ids[0] ?? '']: null,
      [ids[1] ?? '']: null,
    });
    await get(`/webcast/anchors/${NAME}/room_id`);
    expect((await post('/webcast/bulk_live_check', { user_numeric_ids: ids })).body.response.data).toEqual({
      [ids[0] ?? '']: { room_id: room().roomId, is_live: true },
      [ids[1] ?? '']: null,
    });
    expect([upstream('room/check_alive'), upstream('page')]).toEqual([1, 1]);
  });

  it.each([
    [{}, /^user_numeric_ids: expected a list/],
    [{ user_numeric_ids: [] }, /^user_numeric_ids: expected a list/],
    [{ user_numeric_ids: Array.from({ length: 51 }, () => '1') }, /at most 50/],
    [{ user_numeric_ids: ['1', 'two'] }, /^user_numeric_ids\[1\]: expected digits/],
    [{ user_numeric_ids: [7_000_000_000] }, /^user_numeric_ids\[0\]: expected digits/],
  ])('refuses a bulk check of %j by name of the field', async (body, message) => {
    const answer = await post('/webcast/bulk_live_check', body);
    expect([answer.status, answer.body.message]).toEqual([400, expect.stringMatching(message)]);
  });
});
