import { describe, expect, it } from '@jest/globals';
import { messageEventId } from '@tributary/events';
import { SAMPLE_MS, SAMPLE_ROOM, sampleGift, sampleMessage, sampleUser, sampleId } from '@tributary/testing';
import * as proto from 'tiktok-live-proto/v3';
import { WebcastEventMap } from 'tiktok-live-connector';
import type { WireMessage } from '../frame/wire-message.js';
import { WIRE_RULES } from './wire-rules.js';
import { RoomNormaliser, type RoomNormaliserOptions } from './room-normaliser.js';

const NOW = SAMPLE_MS + 150;
const room = (options: Partial<RoomNormaliserOptions> = {}) =>
  new RoomNormaliser({ creatorId: 'cr_1', handle: 'host', roomId: SAMPLE_ROOM, ...options });

const chat = (content: string, common: Partial<proto.CommonMessageData> = {}) =>
  sampleMessage('WebcastChatMessage', proto.WebcastChatMessage, { content, user: sampleUser(1) }, common);
const like = (count: number, total: number) =>
  sampleMessage('WebcastLikeMessage', proto.WebcastLikeMessage, { count, total: String(total) });
const garbage: WireMessage = { method: 'WebcastChatMessage', msgId: sampleId(900), payload: Uint8Array.from([0x0a, 0xff, 0x01, 0x02]) };
const comments = (normaliser: RoomNormaliser, ...messages: WireMessage[]) =>
  messages.flatMap((message) => normaliser.normalise(message, NOW)).map(({ data }) => (data as { comment?: string }).comment);

describe('RoomNormaliser', () => {
  it('knows every wire name that the client library maps, and gifts', () => {
    const missing = [...Object.keys(WebcastEventMap), 'WebcastGiftMessage'].filter((method) => !WIRE_RULES.has(method));
    expect(missing).toEqual([]);
  });

  it('makes the envelope fields from its room and the message', () => {
    const message = chat('hi');
    expect(room().normalise(message, NOW)).toEqual([
      {
        id: `${SAMPLE_ROOM}-${message.msgId}`,
        type: 'tiktok.live.chat',
        creatorId: 'cr_1',
        handle: 'host',
        roomId: SAMPLE_ROOM,
        time: SAMPLE_MS,
        receivedAt: NOW,
        data: expect.objectContaining({ comment: 'hi' }),
      },
    ]);
  });

  it.each([
    ['milliseconds', String(SAMPLE_MS + 7), SAMPLE_MS + 7],
    ['seconds', String(SAMPLE_MS / 1_000), SAMPLE_MS],
    ['microseconds', String((SAMPLE_MS + 7) * 1_000), SAMPLE_MS + 7],
    ['nothing, so the seconds in the id', '0', SAMPLE_MS],
    ['nonsense, so the seconds in the id', '-5', SAMPLE_MS],
    ['a far future, so the seconds in the id', String(SAMPLE_MS * 2), SAMPLE_MS],
  ])('dates a message by createTime in %s', (_unit, createTime, expected) => {
    expect(room().normalise(chat('x', { createTime }), NOW)[0]?.time).toBe(expected);
  });

  it('dates a message by its arrival where neither createTime nor id says a time', () => {
    expect(room().normalise({ ...chat('x', { createTime: '0' }), msgId: '17' }, NOW)[0]?.time).toBe(NOW);
  });

  it('removes duplicates by message id, and messages without one by their content', () => {
    const normaliser = room();
    const [first, nameless] = [chat('first'), { ...chat('nameless'), msgId: '0' }];
    expect(comments(normaliser, first, nameless, first, nameless, { ...nameless, msgId: '' })).toEqual(['first', 'nameless']);
    expect(normaliser.counters).toMatchObject({ messages: 5, duplicates: 3, events: 2 });
    expect(room().normalise(nameless, NOW)[0]?.id).toBe(messageEventId(SAMPLE_ROOM, '0', nameless.method, nameless.payload));
  });

  it('knows the end of a stream that the old holder has said, and says nothing of it again', () => {
    const end = sampleMessage('WebcastControlMessage', proto.WebcastControlMessage, { action: 3 });
    const old = room();
    old.normalise(end, NOW);
    const normaliser = room({ recentIds: old.recentIds() });
    expect(normaliser.normalise(end, NOW)).toEqual([]);
    expect(normaliser.state).toMatchObject({ ended: 'ended' });
    expect(normaliser.counters).toMatchObject({ messages: 1, duplicates: 1, events: 0 });
  });

  it('forgets the oldest ids only', () => {
    const normaliser = room({ recentIdsMax: 2 });
    const [a, b, c] = [chat('a'), chat('b'), chat('c')];
    expect(comments(normaliser, a, b, c, c, b, a)).toEqual(['a', 'b', 'c', 'a']);
  });

  it('after a planned hand-over what the old holder had is no event of the new one', () => {
    const [a, b, nameless] = [chat('a'), chat('b'), { ...chat('n'), msgId: '0' }];
    const old = room();
    comments(old, a, nameless);
    expect(comments(room({ recentIds: old.recentIds() }), a, nameless, b)).toEqual(['b']);
  });

  it('keeps unmapped and undecodable messages as unknown, counted, with the size and reason', () => {
    const normaliser = room();
    const unmapped = { method: 'WebcastGoodyBagMessage', msgId: sampleId(901), payload: Uint8Array.from([8, 1]) };
    const [first] = normaliser.normalise(unmapped, NOW);
    const [second] = normaliser.normalise(garbage, NOW);
    expect(first).toMatchObject({
      type: 'tiktok.live.unknown',
      time: SAMPLE_MS,
      data: { method: 'WebcastGoodyBagMessage', bytes: 2, reason: 'unmapped' },
    });
    expect(second).toMatchObject({
      id: `${SAMPLE_ROOM}-${garbage.msgId}`,
      data: { method: 'WebcastChatMessage', bytes: 4, reason: 'undecodable' },
    });
    expect(first).not.toHaveProperty('raw');
    expect(normaliser.counters).toMatchObject({ messages: 2, unknown: 1, decodeErrors: 1, events: 2 });
  });

  it('adds a copy of the protobuf to the first event of a message where asked', () => {
    const normaliser = room({ keepRaw: true });
    const end = sampleMessage('WebcastControlMessage', proto.WebcastControlMessage, { action: 3 });
    const before = Uint8Array.from(end.payload);
    const [control, streamEnd] = normaliser.normalise(end, NOW);
    end.payload.fill(0);
    expect(control?.raw).toEqual(before);
    expect(streamEnd).not.toHaveProperty('raw');
    expect(normaliser.normalise(garbage, NOW)[0]?.raw).toEqual(garbage.payload);
  });

  it('emits the wanted types only, decodes nothing else, and still sees the end of the stream', () => {
    const normaliser = room({ types: ['tiktok.live.chat', 'monitor.*'] });
    const end = sampleMessage('WebcastControlMessage', proto.WebcastControlMessage, { action: 4 });
    const broken = { ...garbage, method: 'WebcastGiftMessage', msgId: sampleId(902) };
    expect(comments(normaliser, chat('yes'), like(1, 1), end, broken, { ...garbage, method: 'Other', msgId: sampleId(903) })).toEqual([
      'yes',
    ]);
    expect(normaliser.counters).toMatchObject({ messages: 5, events: 1, filtered: 4, decodeErrors: 0 });
    expect(normaliser.state).toMatchObject({ ended: 'suspended' });
  });

  it('an empty list of types means all', () => {
    expect(comments(room({ types: [] }), chat('a'))).toEqual(['a']);
  });

  it('shows viewers, pause and likes for the status of the creator', () => {
    const normaliser = room();
    const control = (action: number) => sampleMessage('WebcastControlMessage', proto.WebcastControlMessage, { action });
    normaliser.normalise(sampleMessage('WebcastRoomUserSeqMessage', proto.WebcastRoomUserSeqMessage, { total: '55' }), NOW);
    normaliser.normalise(control(1), NOW);
    normaliser.normalise(like(3, 100), NOW);
    expect(normaliser.state).toEqual({ viewers: 55, paused: true });
    normaliser.normalise(control(2), NOW);
    expect(normaliser.state.paused).toBe(false);
    expect(normaliser.roomLikes).toBe(100);
  });

  it('removes what no store takes from every text, and says what it cut', () => {
    const [event] = room().normalise(chat('a\u0000b' + 'x'.repeat(10_000)), NOW);
    const data = event?.data as { comment: string; truncated?: boolean };
    expect(data.comment).toBe('ab' + 'x'.repeat(4_093));
    expect(data.truncated).toBe(true);
    const [next] = room().normalise(chat('short'), NOW);
    expect(next?.data).not.toHaveProperty('truncated');
    const cutInPair = `${'x'.repeat(4_095)}😀`;
    expect(comments(room(), chat(cutInPair))).toEqual([`${'x'.repeat(4_095)}\ufffd`]);
  });
});

describe('what a holder passes on', () => {
  const gifts = (normaliser: RoomNormaliser, ...messages: WireMessage[]) =>
    messages.flatMap((message) => normaliser.normalise(message, NOW)).map(({ data }) => (data as { count: number }).count);

  it('counts a streak on where the last holder stood, and likes from no lower', () => {
    const old = room();
    expect(gifts(old, sampleGift({ repeatCount: 3 }))).toEqual([3]);
    old.normalise(like(5, 1_000), NOW);
    const next = room({ savedState: old.takeSavedState() });
    expect(next.isRestored).toBe(true);
    expect(
      gifts(next, sampleGift({ repeatCount: 2 }), sampleGift({ repeatCount: 5 }), sampleGift({ repeatCount: 5, repeatEnd: 1 })),
    ).toEqual([0, 2, 0]);
    const [event] = next.normalise(like(5, 900), NOW);
    expect(event?.data).toMatchObject({ total: 900, roomLikes: 1_000 });
  });

  it('does not count again what came late to a run that the last holder closed', () => {
    const old = room();
    gifts(old, sampleGift({ repeatCount: 5, repeatEnd: 1 }));
    expect(gifts(room({ savedState: old.takeSavedState() }), sampleGift({ repeatCount: 4 }))).toEqual([0]);
  });

  it('is asked for once after each change', () => {
    const normaliser = room();
    expect(normaliser.takeSavedState()).toBeUndefined();
    normaliser.normalise(chat('x'), NOW);
    expect(normaliser.takeSavedState()).toBeUndefined();
    normaliser.normalise(sampleGift({ repeatCount: 1 }), NOW);
    expect(normaliser.takeSavedState()).toEqual(expect.any(String));
    expect(normaliser.takeSavedState()).toBeUndefined();
    normaliser.normalise(sampleGift({ repeatCount: 1 }), NOW);
    expect(normaliser.takeSavedState()).toBeUndefined();
    expect(normaliser.sweep(NOW + 61_000)).toEqual([]);
    expect(normaliser.takeSavedState()).toEqual(expect.any(String));
  });

  it.each([
    ['of another room', JSON.stringify({ v: 1, room: '1', likes: [9, 9], runs: [] })],
    ['of another version', JSON.stringify({ v: 2, room: SAMPLE_ROOM, likes: [9, 9], runs: [] })],
    ['that is broken', '{"v":1,"room'],
    ['with a bad run', JSON.stringify({ v: 1, room: SAMPLE_ROOM, likes: [9, 9], runs: [['a', -1, 0, 0]] })],
  ])('is not used %s', (_what, savedState) => {
    const normaliser = room({ savedState });
    expect(normaliser.isRestored).toBe(false);
    expect(normaliser.roomLikes).toBe(0);
  });
});
