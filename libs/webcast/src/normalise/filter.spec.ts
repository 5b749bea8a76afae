import { describe, expect, it } from '@jest/globals';
import { SAMPLE_MS, SAMPLE_ROOM, sampleGift, sampleId, sampleMessage, sampleUser } from '@tributary/testing';
import * as proto from 'tiktok-live-proto/v3';
import type { WireMessage } from '../frame/wire-message.js';
import { WIRE_RULES } from './wire-rules.js';
import { RoomNormaliser } from './room-normaliser.js';

const NOW = SAMPLE_MS + 150;
const room = (...types: string[]) => new RoomNormaliser({ creatorId: 'cr_1', handle: 'host', roomId: SAMPLE_ROOM, types });
const broken = Uint8Array.from([0x0a, 0xff, 0x01, 0x02]);
const like = (count: number, total: number) =>
  sampleMessage('WebcastLikeMessage', proto.WebcastLikeMessage, { count, total: String(total) });
const viewers = (total: number) => sampleMessage('WebcastRoomUserSeqMessage', proto.WebcastRoomUserSeqMessage, { total: String(total) });
const chat = () => sampleMessage('WebcastChatMessage', proto.WebcastChatMessage, { content: 'hi', user: sampleUser(1) });

/** A message whose payload says when it is looked at. */
function watched(method: string, n: number): { message: WireMessage; reads: () => number } {
  let reads = 0;
  const payload = new Proxy(broken, {
    get(target, name) {
      reads += 1;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  return { message: { method, msgId: sampleId(5_000 + n), payload }, reads: () => reads };
}

describe('a filter of types', () => {
  it('leaves every unwanted message unread: its payload is not touched, whatever its method', () => {
    const normaliser = room('tiktok.live.gift');
    const methods = [...WIRE_RULES].filter(
      ([method, { types }]) => method !== 'WebcastControlMessage' && !types.some((type) => type === 'tiktok.live.gift'),
    );
    expect(methods.length).toBeGreaterThan(50);
    const read = methods.filter(([method], n) => {
      const { message, reads } = watched(method, n);
      normaliser.normalise(message, NOW);
      return reads() > 0;
    });
    expect(read.map(([method]) => method)).toEqual([]);
    expect(normaliser.counters).toMatchObject({ filtered: methods.length, decodeErrors: 0, unknown: 0, events: 0 });
  });

  it('keeps the sums of gifts, likes and viewers as they are without one, where they are wanted', () => {
    const messages = [1, 3, 3, 7].flatMap((repeatCount, n) => [
      chat(),
      sampleGift({ repeatCount, repeatEnd: n === 3 ? 1 : 0 }),
      like(2, 100 + n),
      viewers(50 + n),
    ]);
    const sums = (normaliser: RoomNormaliser) => {
      const drafts = messages.flatMap((message) => normaliser.normalise(message, NOW));
      const gifts = drafts.filter(({ type }) => type === 'tiktok.live.gift').map(({ data }) => data as { totalDiamonds: number });
      return {
        diamonds: gifts.reduce((sum, { totalDiamonds }) => sum + totalDiamonds, 0),
        likes: normaliser.roomLikes,
        viewers: normaliser.state.viewers,
      };
    };
    const all = sums(room());
    expect(all).toEqual({ diamonds: 35, likes: 103, viewers: 53 });
    expect(sums(room('tiktok.live.gift', 'tiktok.live.like', 'tiktok.live.roomUser'))).toEqual(all);
    expect(sums(room('tiktok.live.gift')).diamonds).toBe(35);
  });

  it('still tells a duplicate that it filtered from a new message', () => {
    const normaliser = room('tiktok.live.gift');
    const message = chat();
    normaliser.normalise(message, NOW);
    normaliser.normalise(message, NOW);
    expect(normaliser.counters).toMatchObject({ messages: 2, filtered: 1, duplicates: 1 });
  });
});
