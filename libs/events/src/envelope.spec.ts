import { describe, expect, it } from '@jest/globals';
import { EnvelopeWriter, toEnvelope } from './envelope.js';

const event = {
  id: '7-8',
  type: 'tiktok.live.chat',
  creatorId: 'cr_1',
  handle: 'host',
  roomId: '7',
  time: Date.UTC(2026, 10, 22, 10, 0, 0, 123),
  receivedAt: Date.UTC(2026, 10, 22, 10, 0, 0, 150),
  data: { comment: 'hi' },
  seq: 5,
};

describe('toEnvelope', () => {
  it('is CloudEvents 1.0, with the extensions that consumers were promised', () => {
    expect(toEnvelope(event, 'cursor')).toEqual({
      specversion: '1.0',
      id: '7-8',
      source: '/tiktok/creators/host/rooms/7',
      type: 'tiktok.live.chat',
      subject: 'cr_1',
      time: '2026-11-22T10:00:00.123Z',
      datacontenttype: 'application/json',
      creator: 'host',
      roomid: '7',
      receivedat: '2026-11-22T10:00:00.150Z',
      position: 'cursor',
      data: { comment: 'hi' },
    });
  });

  it('names as its source what there is: the creator where there is no room, the endpoint where it is about a webhook', () => {
    const source = (over: object) => toEnvelope({ ...event, ...over }, 'cursor').source;
    expect(source({ type: 'monitor.error', roomId: '' })).toBe('/tiktok/creators/host');
    expect(source({ type: 'monitor.gap', handle: '' })).toBe('/tiktok/creators/cr_1/rooms/7');
    expect(source({ type: 'monitor.gap', handle: '', roomId: '' })).toBe('/tiktok/creators/cr_1');
    expect(source({ type: 'monitor.webhook', creatorId: 'wh_1', handle: '', roomId: '' })).toBe('/tributary/webhooks/wh_1');
  });

  it('has the protobuf as base64 where it was stored', () => {
    expect(toEnvelope({ ...event, raw: Uint8Array.from([1, 2, 3]) }, 'cursor').raw).toBe('AQID');
  });
});

describe('EnvelopeWriter', () => {
  it('writes what JSON.stringify writes of the envelope, from room to room and from type to type', () => {
    const writer = new EnvelopeWriter();
    const odd = { ...event, id: '7-"8\\', type: 'tiktok.live."x"', handle: 'h\u2028"\n', roomId: '', receivedAt: event.time };
    for (const one of [
      event,
      { ...event, id: '7-9', seq: 6 },
      odd,
      { ...odd, creatorId: 'cr_2' },
      { ...event, type: 'monitor.gap' },
      event,
    ]) {
      expect(writer.write(one, JSON.stringify(one.data), 'cursor')).toBe(JSON.stringify(toEnvelope(one, 'cursor')));
    }
  });
});
