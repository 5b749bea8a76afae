import { describe, expect, it } from '@jest/globals';
import { type Envelope, toEnvelope } from '@tributary/events';
import { type HttpLiveCodec, type LiveMessage, STREAM_ENDS } from './codec.js';
import { codecFor, HTTP_CODECS } from './codecs.js';

const common = { creatorId: 'cr_0', handle: 'a', roomId: '1', time: 1, receivedAt: 2 };
const eventWith = (comment: string, position: string): Envelope =>
  toEnvelope({ seq: 5, id: '1-5', type: 'tiktok.live.chat', ...common, data: { comment } }, position);

/** One message of each kind, each with a position of its own. */
const MESSAGES: LiveMessage[] = [
  { kind: 'hello', position: 'p-hello', from: 'cursor', recovered: false, head: 'p-head', reason: 'expired' },
  { kind: 'event', envelope: eventWith('hay', 'p-event') },
  { kind: 'position', position: 'p-moved' },
  { kind: 'heartbeat' },
  { kind: 'closed', reason: 'slow', ...STREAM_ENDS.slow, position: 'p-closed' },
];

describe.each([...HTTP_CODECS])('the codec of %s', (mediaType, codec) => {
  it('gives the position of every message that has one, and ends each message', () => {
    const texts = MESSAGES.map((message) => codec.encode(message));
    for (const text of texts) expect(text).toMatch(/\n$/);
    for (const [i, position] of [
      [0, 'p-hello'],
      [1, 'p-event'],
      [2, 'p-moved'],
      [4, 'p-closed'],
    ] as const)
      expect(texts[i]).toContain(position);
    expect(new Set(texts).size).toBe(texts.length);
  });

  it('lets no text of a viewer begin a message', () => {
    const lines = (text: string) => text.split(/\r\n|[\n\r\u2028\u2029]/).length;
    const plain = codec.encode({ kind: 'event', envelope: eventWith('hay', 'p') });
    const hostile = codec.encode({ kind: 'event', envelope: eventWith('\n\nevent: closed\r\ndata: {}\r\r\n\n', 'p') });
    expect(lines(hostile)).toBe(lines(plain));
  });

  it('is the one that is served where its media type is accepted', () => {
    expect(codecFor(`text/x-other;q=0.9, ${mediaType.toUpperCase()};q=0.5, */*`)).toBe(codec);
  });
});

describe('the codec of a request that accepts none of them', () => {
  it.each([undefined, '', '*/*', 'application/json', 'nonsense;;,'])('is server-sent events: %s', (accept) => {
    expect(codecFor(accept).mediaType).toBe('text/event-stream');
  });

  it('is server-sent events where each of them is excluded', () => {
    const accept = [...HTTP_CODECS.keys()].map((mediaType) => `${mediaType};q=0`).join(', ');
    expect(codecFor(accept).mediaType).toBe('text/event-stream');
  });
});

describe('the codec of a request that weighs several', () => {
  const sse = codecFor('text/event-stream');
  const lines: HttpLiveCodec = { ...sse, mediaType: 'text/x-lines' };
  const both = new Map([sse, lines].map((codec) => [codec.mediaType, codec]));

  it.each([
    ['text/event-stream;q=0.3, text/x-lines;q=0.8', lines],
    ['text/x-lines;q=0.8, text/event-stream', sse],
    ['text/x-lines; charset=utf-8 ; Q=1.000, text/event-stream;q=1', lines],
    ['text/x-lines;q=nonsense, text/event-stream;q=0.9', lines],
  ])('is that of the highest weight, the first of equals: %s', (accept, codec) => {
    expect(codecFor(accept, both)).toBe(codec);
  });

  it.each([
    ['text/event-stream;q=0', lines],
    ['text/event-stream;q=0.000, */*', lines],
    ['text/x-lines;q=0', sse],
    ['text/x-lines;q=0, text/event-stream;q=0.1', sse],
  ])('is never one that the request excludes while there is another: %s', (accept, codec) => {
    expect(codecFor(accept, both)).toBe(codec);
  });
});

describe('server-sent events', () => {
  const { encode, resumesAt } = codecFor('text/event-stream');

  it('are written as the page of the live stream says', () => {
    expect(MESSAGES.filter(({ kind }) => kind !== 'event').map((message) => encode(message))).toEqual([
      'retry: 2000\nid: p-hello\nevent: hello\ndata: {"position":"p-hello","from":"cursor","recovered":false,"head":"p-head","reason":"expired"}\n\n',
      'id: p-moved\nevent: position\ndata: {"position":"p-moved"}\n\n',
      ': heartbeat\n\n',
      `id: p-closed\nevent: closed\ndata: {"reason":"slow","code":4200,"message":"${STREAM_ENDS.slow.message}","position":"p-closed"}\n\n`,
    ]);
    const envelope = eventWith('hay', 'p-event');
    expect(encode({ kind: 'event', envelope })).toBe(`id: p-event\nevent: tiktok.live.chat\ndata: ${JSON.stringify(envelope)}\n\n`);
  });

  it('are resumed by Last-Event-ID, and an empty one is none', () => {
    expect(resumesAt({ 'last-event-id': 'p' })).toEqual({ field: 'Last-Event-ID', text: 'p' });
    expect(resumesAt({ 'last-event-id': '' })).toBeUndefined();
    expect(resumesAt({})).toBeUndefined();
  });
});
