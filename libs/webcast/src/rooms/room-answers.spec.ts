import { describe, expect, it } from '@jest/globals';
import { readCheckAlive, readLivePage, readRoomApi, readRoomInfo } from './room-answers.js';

const ROOM = '7540589352666090247';
const page = (state: unknown) =>
  `<html><script id="other">{}</script><script id="SIGI_STATE" type="application/json">${JSON.stringify(state)}</script></html>`;
const liveRoomPage = (user: object, liveRoom: object) => page({ LiveRoom: { liveRoomUserInfo: { user, liveRoom } } });
const user = { id: '6812345678901234567', uniqueId: 'Name', roomId: ROOM };

describe('the live page', () => {
  it('is live at status 2 alone', () => {
    expect(readLivePage(liveRoomPage(user, { status: 2, title: 'hello' }))).toEqual({
      kind: 'live',
      roomId: ROOM,
      userId: user.id,
      uniqueId: 'name',
      title: 'hello',
    });
    expect(readLivePage(liveRoomPage({ ...user, status: 2 }, {}))).toMatchObject({ kind: 'live' });
    for (const status of [0, 1, 3, 4])
      expect(readLivePage(liveRoomPage(user, { status }))).toMatchObject({ kind: 'offline', roomId: ROOM });
  });

  it.each([
    ['', 'empty page'],
    ['<html>please solve this captcha</html>', 'captcha'],
    ['<html>hello</html>', 'without SIGI_STATE'],
    ['<script id="SIGI_STATE">{"LiveRoom":', 'not JSON'],
    [page({}), 'no live room'],
    [page([]), 'no live room'],
    [page({ LiveRoom: { liveRoomUserInfo: null } }), 'no live room'],
    [liveRoomPage(user, {}), 'no live status'],
    [liveRoomPage({ ...user, roomId: '' }, { status: 2 }), 'no room id'],
    [liveRoomPage({ ...user, roomId: Number(ROOM) }, { status: 2 }), 'no room id'],
  ])('says what is wrong with %j', (html, problem) => {
    expect(readLivePage(html)).toMatchObject({ kind: 'unclear', problem: expect.stringContaining(problem) });
  });
});

describe('the room API', () => {
  it('maps its codes', () => {
    expect(readRoomApi(JSON.stringify({ statusCode: 0, data: { user, liveRoom: { status: 2 } } }))).toMatchObject({ kind: 'live' });
    expect(readRoomApi(JSON.stringify({ statusCode: 0, data: { user, liveRoom: { status: 4 } } }))).toMatchObject({ kind: 'offline' });
    expect(readRoomApi(JSON.stringify({ statusCode: 19881007, message: 'user_not_found' }))).toEqual({ kind: 'not-found' });
    expect(readRoomApi(JSON.stringify({ statusCode: 19881005 }))).toMatchObject({
      kind: 'unclear',
      problem: expect.stringContaining('name'),
    });
    expect(readRoomApi(JSON.stringify({ statusCode: 5, message: 'busy' }))).toEqual({ kind: 'unclear', problem: 'code 5 (busy)' });
  });

  it.each(['', '[]', 'null', '"x"', '<html>', '{"statusCode":0}', '{"statusCode":0,"data":{"user":7}}'])('calls %j unclear', (text) => {
    expect(readRoomApi(text).kind).toBe('unclear');
  });
});

describe('room info', () => {
  it('maps its codes', () => {
    const data = { status: 2, title: 't', user_count: 12, owner: { id_str: '68', display_id: 'Name' } };
    expect(readRoomInfo(JSON.stringify({ status_code: 0, data }), ROOM)).toEqual({
      kind: 'info',
      roomId: ROOM,
      live: true,
      status: 2,
      title: 't',
      viewers: 12,
      userId: '68',
      uniqueId: 'name',
    });
    for (const code of [20003, 4003182, 4003110, 10011]) {
      expect(readRoomInfo(JSON.stringify({ status_code: code, data: { prompts: 'x' } }), ROOM)).toEqual({ kind: 'gated', code });
    }
    expect(readRoomInfo(JSON.stringify({ status_code: 30003 }), ROOM)).toEqual({ kind: 'finished' });
    expect(readRoomInfo(JSON.stringify({ status_code: 0, data: { status: 4 } }), ROOM)).toEqual({ kind: 'finished' });
    expect(readRoomInfo(JSON.stringify({ status_code: 0, data: { status: 3 } }), ROOM)).toMatchObject({ kind: 'info', live: false });
    expect(readRoomInfo(JSON.stringify({ status_code: 1, data: { message: 'm' } }), ROOM)).toEqual({
      kind: 'unclear',
      problem: 'code 1 (m)',
    });
  });
});

describe('check_alive', () => {
  const ids = [ROOM, '7540589352666099999', '7540589352667090247'];

  it('reads ids that JSON numbers have rounded', () => {
    const text = `{"status_code":0,"data":[{"alive":true,"room_id":${ids[0]}},{"alive":false,"room_id":${ids[1]},"room_id_str":"${ids[1]}"}]}`;
    expect(readCheckAlive(text, ids)).toEqual(
      new Map([
        [ids[0], true],
        [ids[1], false],
      ]),
    );
  });

  it('keeps rooms apart whose ids round to the same number', () => {
    const close = ['7540589352666090247', '7540589352666090248'];
    const text = `{"status_code":0,"data":[{"alive":true,"room_id":${close[0]}}]}`;
    expect(readCheckAlive(text, close)).toEqual(new Map());
  });

  it.each(['', '[]', '{"status_code":0}', '{"status_code":7,"data":[]}'])('says what is wrong with %j', (text) => {
    expect(readCheckAlive(text, ids)).toEqual({ problem: expect.any(String) });
  });

  it('passes over entries it cannot use', () => {
    const data = [null, 5, {}, { alive: 'yes', room_id_str: ids[0] }, { alive: true, room_id_str: '123456' }];
    expect(readCheckAlive(JSON.stringify({ status_code: 0, data }), ids)).toEqual(new Map());
  });
});
