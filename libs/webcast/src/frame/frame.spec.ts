import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import { type BaseProtoMessage, ProtoMessageFetchResult, WebcastPushFrame } from 'tiktok-live-proto/v3';
import { readFetchResult, readFrame } from './frame.js';

const limits = { inflatedBytesMax: 1_000_000, messagesPerFrameMax: 100 };
const message = (overrides: Partial<BaseProtoMessage>): BaseProtoMessage => ({
  method: 'WebcastChatMessage',
  payload: Buffer.from('payload'),
  msgId: '7540589352666090247',
  msgType: 1,
  offset: '5',
  isHistory: true,
  sampleFlag: 2,
  ...overrides,
});
const fetchResult = (overrides: Partial<ProtoMessageFetchResult>): Buffer =>
  Buffer.from(
    ProtoMessageFetchResult.encode({
      messages: [],
      cursor: 'c1',
      fetchInterval: '1000',
      now: '1700000000000',
      internalExt: 'ext',
      fetchType: 1,
      routeParams: { imprp: 'x' },
      heartbeatDuration: '10000',
      needAck: true,
      pushServer: 'wss://webcast-ws.tiktok.com/',
      isFirst: true,
      historyCommentCursor: 'h',
      historyNoMore: true,
      ...overrides,
    }).finish(),
  );
const pushFrame = (payload: Uint8Array, overrides: Partial<WebcastPushFrame> = {}): Buffer =>
  Buffer.from(
    WebcastPushFrame.encode({
      seqId: '3',
      logId: '9007199254740993',
      service: '8888',
      method: '8',
      headers: [{ key: 'compress_type', value: 'gzip' }],
      payloadEncoding: 'pb',
      payloadType: 'msg',
      payload: Buffer.from(payload),
      ...overrides,
    }).finish(),
  );

describe('reading a push frame', () => {
  it('gives every message with its method, id and bytes, in order, plain and gzip alike', () => {
    const messages = [
      message({}),
      message({ method: 'WebcastFutureMessage', msgId: '0', payload: Buffer.alloc(0) }),
      message({ payload: Buffer.alloc(300_000, 7), msgId: '7540589352666090248' }),
    ];
    const plain = fetchResult({ messages });
    for (const payload of [plain, gzipSync(plain)]) {
      const frame = readFrame(pushFrame(payload), limits);
      if (frame.kind !== 'result') throw new Error(frame.kind);
      expect(frame.logId).toBe('9007199254740993');
      expect(frame.result).toMatchObject({ cursor: 'c1', internalExt: 'ext', needAck: true, routeParams: [['imprp', 'x']] });
      expect(frame.result.messages.map(({ method, msgId }) => [method, msgId])).toEqual(
        messages.map(({ method, msgId }) => [method, msgId]),
      );
      frame.result.messages.forEach((read, n) => expect(Buffer.from(read.payload).equals(messages[n]!.payload)).toBe(true));
    }
  });

  it('agrees with the schema package on the fields it reads', () => {
    const bytes = fetchResult({ messages: [message({}), message({ msgId: '9223372036854775807' })] });
    const theirs = ProtoMessageFetchResult.decode(bytes);
    const ours = readFetchResult(bytes, 10);
    expect(ours.messages.map(({ msgId }) => msgId)).toEqual(theirs.messages.map(({ msgId }) => msgId));
    expect(ours.pushServer).toBe(theirs.pushServer);
    expect(Object.fromEntries(ours.routeParams)).toEqual(theirs.routeParams);
  });

  it('survives every truncation and calls none of them a result with more messages than were whole', () => {
    const whole = pushFrame(gzipSync(fetchResult({ messages: [message({}), message({})] })));
    for (let length = 0; length < whole.length; length++) {
      const frame = readFrame(whole.subarray(0, length), limits);
      if (frame.kind === 'result') expect(frame.result.messages).toEqual([]);
    }
  });

  it('survives a flipped byte anywhere', () => {
    const whole = pushFrame(fetchResult({ messages: [message({}), message({})] }));
    for (let at = 0; at < whole.length; at++) {
      const broken = Buffer.from(whole);
      broken[at]! ^= 0xff;
      expect(['result', 'other', 'bad']).toContain(readFrame(broken, limits).kind);
    }
  });

  it.each([
    ['text', Buffer.from('HTTP/1.1 400 Bad Request')],
    ['nothing', Buffer.alloc(0)],
    ['zeros', Buffer.alloc(100)],
    ['ones', Buffer.alloc(100, 0xff)],
  ])('calls %s bad', (_name, bytes) => {
    expect(readFrame(bytes, limits).kind).toBe('bad');
  });

  it.each([
    ['plain', (bytes: Buffer) => bytes],
    ['gzip', gzipSync],
    ['zlib', deflateSync],
    ['brotli', brotliCompressSync],
  ] as const)('reads a %s payload by its bytes, whatever the frame says of its encoding', (_name, pack) => {
    const messages = [message({}), message({ method: 'WebcastLikeMessage', payload: Buffer.alloc(5_000, 7) })];
    for (const few of [messages, messages.slice(1), []]) {
      const payload = pack(fetchResult({ messages: few }));
      for (const payloadEncoding of ['pb', '', 'gzip', 'zlib', 'deflate', 'br', 'something new'])
        expect(readFrame(pushFrame(payload, { payloadEncoding }), limits)).toMatchObject({
          kind: 'result',
          result: { cursor: 'c1', messages: few.map(({ method, msgId }) => ({ method, msgId })) },
        });
    }
    const nameless = pushFrame(pack(fetchResult({ messages })), { payloadEncoding: '', payloadType: '' });
    expect(readFrame(nameless, limits)).toMatchObject({ kind: 'result', result: { messages: [{}, {}] } });
  });

  it.each([
    ['gzip', gzipSync],
    ['zlib', deflateSync],
    ['brotli', brotliCompressSync],
  ] as const)('calls a broken or enormous %s payload bad', (_name, pack) => {
    const packed = pack(
      fetchResult({ messages: [message({ payload: Buffer.from(Array.from({ length: 900 }, (_, n) => (n * n) % 251)) })] }),
    );
    expect(readFrame(pushFrame(packed.subarray(0, packed.length - 30)), limits).kind).toBe('bad');
    const bomb = pack(fetchResult({ messages: [message({ payload: Buffer.alloc(2_000_000) })] }));
    expect(readFrame(pushFrame(bomb, { payloadEncoding: '' }), limits).kind).toBe('bad');
  });

  it('bounds what a small frame may inflate to', () => {
    const bomb = pushFrame(gzipSync(fetchResult({ messages: [message({ payload: Buffer.alloc(2_000_000) })] })));
    expect(bomb.length).toBeLessThan(5_000);
    expect(readFrame(bomb, limits)).toMatchObject({ kind: 'bad' });
  });

  it('bounds the number of messages', () => {
    const crowd = pushFrame(Buffer.alloc(2 * (limits.messagesPerFrameMax + 1), Buffer.from([0x0a, 0x00])));
    expect(readFrame(crowd, limits)).toMatchObject({ kind: 'bad', problem: expect.stringContaining('more than 100 messages') });
  });

  it.each([
    ['route parameters', [0x3a, 0x00]],
    ['cursors', [0x12, 0x01, 0x61]],
    ['unknown numbers', [0x78, 0x01]],
  ])('bounds the number of other fields, such as %s', (_name, field) => {
    const few = fetchResult({ messages: [message({})] });
    const flood = (count: number) => pushFrame(gzipSync(Buffer.concat([few, Buffer.alloc(count * field.length, Buffer.from(field))])));
    expect(readFrame(flood(900), limits)).toMatchObject({ kind: 'result', result: { messages: [{}] } });
    expect(readFrame(flood(2_000), limits)).toMatchObject({ kind: 'bad', problem: expect.stringContaining('more than 1000 fields') });
  });

  it('does not believe the size that a gzip trailer claims', () => {
    const packed = gzipSync(fetchResult({ messages: [message({})] }));
    packed.writeUInt32LE(0xffff_ffff, packed.length - 4);
    expect(readFrame(pushFrame(packed), limits).kind).toBe('bad');
  });

  it('takes answers to our own frames for what they are', () => {
    for (const payloadType of ['hb', 'im_enter_room_resp', 'ack', 'close']) {
      expect(readFrame(pushFrame(Buffer.from([1, 2, 3]), { payloadType }), limits)).toEqual({ kind: 'other', payloadType });
    }
    expect(readFrame(pushFrame(Buffer.from([1, 2, 3]), { payloadType: 'new' }), limits)).toEqual({ kind: 'other', payloadType: 'new' });
  });

  it('keeps messages that come under a payload type nobody has described', () => {
    const frame = readFrame(pushFrame(fetchResult({ messages: [message({})] }), { payloadType: 'msg_v2' }), limits);
    expect(frame).toMatchObject({ kind: 'result', payloadType: 'msg_v2' });
  });
});
