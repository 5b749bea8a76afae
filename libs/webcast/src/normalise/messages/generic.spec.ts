import { describe, expect, it } from '@jest/globals';
import { protoOf, sampleCommon, sampleImage, sampleText, sampleUser } from '@tributary/testing';
import * as proto from 'tiktok-live-proto/v3';
import { FieldLimiter } from '../field-limiter.js';
import { genericOf } from './generic.js';

function plain(message: object) {
  const trim = new FieldLimiter();
  const data = genericOf(message, trim);
  return { data, cut: trim.truncated };
}

describe('genericOf', () => {
  it('keeps the fields of the protobuf by its own names, without empty ones', () => {
    const message = protoOf(proto.WebcastRankUpdateMessage, { common: sampleCommon('WebcastRankUpdateMessage', '1') });
    expect(plain(message).data).toEqual({});
    const room = protoOf(proto.WebcastRoomMessage, { content: 'welcome', source: 1, icon: sampleImage('https://i.example/1'), scene: '0' });
    expect(plain(room)).toEqual({ data: { content: 'welcome', source: 1, icon: 'https://i.example/1' }, cut: false });
  });

  it('keeps of the common fields only the shown text, since the envelope has the others', () => {
    const common = sampleCommon('WebcastToastMessage', '1', { displayText: sampleText('pm_hello'), logId: 'x' });
    expect(plain(protoOf(proto.WebcastToastMessage, { common })).data).toEqual({ common: { displayText: { key: 'pm_hello' } } });
  });

  it('shows users as typed events do, with what is false about them', () => {
    const message = protoOf(proto.WebcastGiftBroadcastMessage, {});
    const { data } = plain({
      ...message,
      nested: { user: sampleUser(1, { followInfo: protoOf(proto.FollowInfo, { followStatus: '0' }) }) },
    });
    expect(data).toEqual({
      nested: {
        user: {
          id: '7000000000000000001',
          uniqueId: 'viewer.1',
          nickname: 'Viewer 1',
          avatarUrl: 'https://p16.example/avatar-1.webp',
          isModerator: false,
          followRole: 0,
        },
      },
    });
  });

  it('keeps 64-bit numbers as text, elements in their place, short bytes as base64', () => {
    const message = {
      big: '7540589352666090247',
      list: [0, 5, 0],
      parts: [{}, { a: 1 }],
      bytes: Uint8Array.from([1, 2, 3]),
      large: new Uint8Array(2_000),
    };
    expect(plain(message)).toEqual({
      data: { big: '7540589352666090247', list: [0, 5, 0], parts: [{}, { a: 1 }], bytes: 'AQID' },
      cut: true,
    });
  });

  it('removes what no store takes, in names too', () => {
    expect(plain({ map: { 'a\0b': 'c\0d' } }).data).toEqual({ map: { ab: 'cd' } });
  });

  it('is cut to 32 KB, says so, and is JSON still', () => {
    const message = { list: Array.from({ length: 5_000 }, (_, n) => ({ text: `entry ${n} äöü` })), after: 'lost' };
    const { data, cut } = plain(message);
    expect(cut).toBe(true);
    expect(Buffer.byteLength(JSON.stringify(data))).toBeLessThanOrEqual(33_000);
    expect(Buffer.byteLength(JSON.stringify(data))).toBeGreaterThan(16_000);
  });

  it('ends in something nested without end', () => {
    let deep: object = { leaf: 1 };
    for (let n = 0; n < 5_000; n++) deep = { deep };
    expect(plain(deep).cut).toBe(true);
  });
});
