import { describe, expect, it } from '@jest/globals';
import { imFetchUrl } from '../tiktok/im-fetch.js';
import { roomOfLimitedUrl } from './limited-url.js';

const MINE = '7540589352666090247';
const OTHER = '7711000682932467824';
const BASE = 'https://webcast.tiktok.com';
const read = (address: string, method = 'GET', payload?: string) => roomOfLimitedUrl(new URL(address, BASE), { method, payload });

describe('a URL that is signed for some creators only', () => {
  it('names its room as web clients write it', () => {
    const request = { roomId: MINE, cursor: '1_2', userAgent: 'Mozilla/5.0', cookies: '' };
    expect(read(imFetchUrl(BASE, request).href)).toBe(MINE);
    expect(read(`/webcast/room/info?aid=1988&room_id=${MINE}`)).toBe(MINE);
    expect(read(`/webcast/gift/list/?room_id=${MINE}&`, 'HEAD')).toBe(MINE);
    expect(read(`/webcast/im/fetch/?room_id=${MINE}&internal_ext=seq%3A1%7Cwss_push_room_id%3A${MINE}`)).toBe(MINE);
  });

  it.each([
    ['the room twice', `room_id=${MINE}&room_id=${OTHER}`],
    ['the room twice, the own one last', `room_id=${OTHER}&room_id=${MINE}`],
    ['the own room twice', `room_id=${MINE}&room_id=${MINE}`],
    ['the room without a value beside it', `room_id=${MINE}&room_id`],
    ['an encoded name beside it', `room_id=${MINE}&room%5Fid=${OTHER}`],
    ['only an encoded name', `room%5Fid=${MINE}`],
    ['another spelling beside it', `room_id=${MINE}&roomId=${OTHER}`],
    ['another case beside it', `room_id=${MINE}&ROOM_ID=${OTHER}`],
    ['a list beside it', `room_id=${MINE}&room_ids=${OTHER}`],
    ['an array beside it', `room_id=${MINE}&room_id[]=${OTHER}`],
    ['an array', `room_id[]=${MINE}`],
    ['an index beside it', `room_id=${MINE}&room_id[0]=${OTHER}`],
    ['a creator beside it', `room_id=${MINE}&unique_id=other`],
    ['a creator by its other name', `room_id=${MINE}&uniqueId=other`],
    ['a user beside it', `room_id=${MINE}&sec_uid=abc`],
    ['an owner beside it', `room_id=${MINE}&anchor_id=1`],
    ['a space in a name', `room_id=${MINE}&+room_id=${OTHER}`],
    ['a NUL in a name', `room_id=${MINE}&room_id%00=${OTHER}`],
    ['a semicolon', `region=DE;room_id=${OTHER}&room_id=${MINE}`],
    ['an encoded separator in a value', `room_id=${MINE}%26room_id=${OTHER}`],
    ['another room inside a parameter', `room_id=${MINE}&internal_ext=wss_push_room_id%3A${OTHER}`],
    ['another room inside a referer', `room_id=${MINE}&referer=https%3A%2F%2Fx%2F%3Froom_id%3D${OTHER}`],
    ['no room', 'aid=1988'],
    ['no digits', 'room_id=abc'],
    ['a zero in front', `room_id=0${MINE}`],
    ['a sign in front', `room_id=%2B${MINE}`],
    ['other digits', 'room_id=７５４０５'],
    ['an empty one', 'room_id='],
  ])('is refused with %s', (_, query) => {
    expect(() => read(`/webcast/im/fetch/?${query}`)).toThrow(/^for some creators only, URLs are signed /);
  });

  it.each([
    `/webcast/room/check_alive/?room_id=${MINE}`,
    `/webcast/room/enter/?room_id=${MINE}`,
    `/webcast/im/fetch/../../room/chat/?room_id=${MINE}`,
    `/webcast/im/fetch/%2e%2e/send?room_id=${MINE}`,
    `//webcast/im/fetch/?room_id=${MINE}`,
    `/WEBCAST/im/fetch/?room_id=${MINE}`,
    `/@other/live?room_id=${MINE}`,
    `/?room_id=${MINE}`,
  ])('is refused for another address: %s', (address) => {
    expect(() => roomOfLimitedUrl(new URL(BASE + address), { method: 'GET' })).toThrow(/URLs are signed of \/webcast\/im\/fetch/);
  });

  it('is refused for methods and payloads that could name a room out of sight', () => {
    expect(() => read(`/webcast/im/fetch/?room_id=${MINE}`, 'POST')).toThrow(/GET and HEAD/);
    expect(() => read(`/webcast/im/fetch/?room_id=${MINE}`, 'GET', `room_id=${OTHER}`)).toThrow(/payload/);
  });
});
