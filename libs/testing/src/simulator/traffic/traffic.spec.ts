import { beforeAll, describe, expect, it } from '@jest/globals';
import * as schema from 'tiktok-live-proto/v3';
import { sharedParts } from './shared-parts.js';
import { Traffic } from './traffic.js';
import { TotalsCounter } from '../room/totals.js';
import { decimal, WireWriter } from '../wire/protobuf.js';

interface Decoder {
  decode(bytes: Uint8Array): { common?: { method: string; msgId: string; roomId: string; createTime: string } };
}

const ROOM_ID = '7540589352666090247';
const NOW = 1_795_262_400_000;
const MESSAGES = 20_000;

describe('simulated traffic', () => {
  let messages: { method: string; msgId: string; payload: Buffer }[];
  const tally = new TotalsCounter();

  const make = (seed: string, count: number, room = 'luna') => {
    const traffic = new Traffic(sharedParts(seed), `${seed}/${room}`, ROOM_ID, '6900000000000000001');
    const writer = new WireWriter();
    return Array.from({ length: count }, (_, index) => {
      writer.reset();
      const written = traffic.write(writer, index + 1, NOW + index * 250, 4);
      return { ...written, method: written.method.name, msgId: decimal(written.high, written.low), payload: writer.copy() };
    });
  };
  const decode = (message: { method: string; payload: Buffer }) =>
    (schema as unknown as Record<string, Decoder | undefined>)[message.method]?.decode(message.payload);

  beforeAll(() => {
    messages = make('a', MESSAGES);
    for (const message of make('a', MESSAGES)) tally.add(message.effect);
  });

  it('decodes in the published schema, with the same identity inside as outside', () => {
    const without = new Set<string>();
    for (const message of messages) {
      const decoded = decode(message);
      if (!decoded) without.add(message.method);
      else expect(decoded.common).toMatchObject({ method: message.method, msgId: message.msgId, roomId: ROOM_ID });
    }
    expect([...without].sort()).toEqual([
      'WebcastGoodyBagMessage',
      'WebcastHashtagMessage',
      'WebcastLinkScreenChangeMessage',
      'WebcastRoomStickerMessage',
      'WebcastSubTimerStickerMessage',
    ]);
  });

  it('has unique ids that do not rise in order', () => {
    expect(new Set(messages.map((message) => message.msgId)).size).toBe(MESSAGES);
    const falls = messages.filter((message, index) => index > 0 && BigInt(message.msgId) < BigInt(messages[index - 1]?.msgId ?? 0)).length;
    expect(falls / MESSAGES).toBeGreaterThan(0.1);
  });

  it('is of the sizes of moderate rooms: about 0.8 KB in the middle, 6 KB at the 95th percentile', () => {
    const sizes = messages.map((message) => message.payload.length).sort((a, b) => a - b);
    expect(sizes[MESSAGES / 2]).toBeGreaterThan(500);
    expect(sizes[MESSAGES / 2]).toBeLessThan(1_200);
    expect(sizes[MESSAGES * 0.95]).toBeGreaterThan(3_000);
    expect(sizes[MESSAGES * 0.95]).toBeLessThan(7_000);
  });

  it('is of the mix of moderate rooms: joins 22 to 66 %, viewers every two seconds', () => {
    const share = (method: string) => messages.filter((message) => message.method === method).length / MESSAGES;
    expect(share('WebcastMemberMessage')).toBeGreaterThan(0.15);
    expect(share('WebcastMemberMessage')).toBeLessThan(0.67);
    expect(share('WebcastRoomUserSeqMessage')).toBeCloseTo(0.125, 3);
    expect(new Set(messages.map((message) => message.method)).size).toBeGreaterThanOrEqual(26);
  });

  it('has captions without a time, likes whose total falls, and streaks that are never ended', () => {
    const captions = messages.filter((message) => message.method === 'WebcastCaptionMessage');
    expect(captions.every((message) => decode(message)?.common?.createTime === '0')).toBe(true);
    const totals = messages
      .filter((message) => message.method === 'WebcastLikeMessage')
      .map((message) => Number(schema.WebcastLikeMessage.decode(message.payload).total));
    expect(totals.filter((total, index) => total < (totals[index - 1] ?? 0)).length).toBeGreaterThan(10);
    const runs = new Map<string, boolean>();
    for (const message of messages) {
      if (message.method !== 'WebcastGiftMessage') continue;
      const gift = schema.WebcastGiftMessage.decode(message.payload);
      if (gift.gift?.type === 1) runs.set(gift.groupId, gift.repeatEnd === 1);
    }
    const unended = [...runs.values()].filter((ended) => !ended).length;
    expect(unended).toBeGreaterThan(10);
    expect(unended).toBeLessThan(runs.size / 2);
  });

  it('is summed up rightly: an independent sum over the decoded payloads gives the same', () => {
    const streaks = new Map<string, number>();
    let [diamonds, likes, chats] = [0, 0, 0];
    for (const { method, payload } of messages) {
      if (method === 'WebcastChatMessage') chats++;
      if (method === 'WebcastLikeMessage') likes += schema.WebcastLikeMessage.decode(payload).count;
      if (method !== 'WebcastGiftMessage') continue;
      const gift = schema.WebcastGiftMessage.decode(payload);
      const each = gift.gift?.diamondCount ?? 0;
      if (gift.gift?.type !== 1) {
        diamonds += gift.repeatCount * each;
        continue;
      }
      const key = `${gift.user?.id}/${gift.giftId}/${gift.groupId}`;
      const before = streaks.get(key) ?? 0;
      diamonds += Math.max(0, gift.repeatCount - before) * each;
      streaks.set(key, Math.max(before, gift.repeatCount));
    }
    expect(tally.totals).toMatchObject({ messages: MESSAGES, diamonds, likes, chats });
    expect(diamonds).toBeGreaterThan(0);
  });

  it('is the same for the same seed, and another for another seed or room', () => {
    const shape = (seed: string, room?: string) => make(seed, 300, room).map((message) => `${message.method} ${message.payload.length}`);
    expect(shape('a')).toEqual(shape('a'));
    expect(shape('a', 'dj')).not.toEqual(shape('a'));
    expect(shape('b')).not.toEqual(shape('a'));
  });
});
