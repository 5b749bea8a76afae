import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ProtoMessageFetchResult } from 'tiktok-live-proto/v3';
import { HttpSigner } from './http-signer.js';
import { LocalSigningError, LocalSigningProvider } from './local-provider.js';

const ROOM = '7540589352666090247';
const never = new AbortController().signal;

function bundle(cursor = 't-1'): Buffer {
  return Buffer.from(
    ProtoMessageFetchResult.encode({
      messages: [],
      cursor,
      fetchInterval: '0',
      now: '0',
      internalExt: 'ext',
      fetchType: 0,
      routeParams: { 'X-Bogus': 'bogus', empty: '' },
      heartbeatDuration: '0',
      needAck: false,
      pushServer: 'wss://push.tiktok.com/webcast/im/push/v2/',
      isFirst: true,
      historyCommentCursor: '',
      historyNoMore: false,
    }).finish(),
  );
}

describe('HttpSigner and LocalSigningProvider', () => {
  let answer: (request: IncomingMessage, response: ServerResponse) => void;
  let asked: IncomingMessage[];
  const server = createServer((request, response) => {
    asked.push(request);
    answer(request, response);
  });
  let url: string;

  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const good: typeof answer = (_request, response) => {
    response.setHeader('x-set-tt-cookie', 'msToken=m; Path=/; HttpOnly; ttwid=1%7Cabc; Domain=.tiktok.com');
    response.setHeader('x-user-agent', 'Mozilla/5.0 (made for it)');
    response.setHeader('x-room-id', ROOM);
    response.setHeader('x-provider', 'page');
    response.end(bundle());
  };
  beforeEach(() => {
    asked = [];
    answer = good;
  });
  const failing =
    (status: number, body: unknown, headers: Record<string, string> = {}): typeof answer =>
    (_request, response) => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers });
      response.end(typeof body === 'string' ? body : JSON.stringify(body));
    };
  const fetchBundle = (signer = new HttpSigner({ url, apiKey: 'trib_key', timeoutMs: 200 })) =>
    signer.fetchBundle({ roomId: ROOM, uniqueId: 'somebody', cursor: 'c', cookies: 'sessionid=s' }, never);

  it('gives the bundle with the cookies, user agent and provider that belong to it, ttwid first and attributes gone', async () => {
    expect(await fetchBundle(new HttpSigner({ url: `${url}/`, apiKey: 'trib_key' }))).toMatchObject({
      ok: true,
      bundle: { roomId: ROOM, provider: 'page', userAgent: 'Mozilla/5.0 (made for it)', cookies: 'ttwid=1%7Cabc; msToken=m' },
    });
    expect(asked[0]?.url).toMatch(new RegExp(`^/webcast/rooms/${ROOM}/connect\\?client=tributary&.*unique_id=somebody&cursor=c`));
    expect(asked[0]?.headers).toMatchObject({ 'x-api-key': 'trib_key', 'x-cookie-header': 'sessionid=s' });
  });

  it.each([
    [
      429,
      { code: 429, message: 'too many' },
      { 'retry-after': '12' },
      { reason: 'rate-limited', retryAfterMs: 12_000, message: 'too many' },
    ],
    [402, { message: 'pay' }, {}, { reason: 'premium' }],
    [403, {}, {}, { reason: 'blocked' }],
    [401, {}, {}, { reason: 'unavailable', status: 401 }],
    [500, 'not json', {}, { reason: 'unavailable', message: 'the signer answered status 500' }],
    [504, {}, {}, { reason: 'timeout' }],
    [400, {}, {}, { reason: 'bad-answer' }],
    [404, { reason: 'offline' }, {}, { reason: 'offline' }],
    [503, { reason: 'blocked' }, { 'retry-after': 'x' }, { reason: 'blocked' }],
    [503, { reason: 'something new' }, {}, { reason: 'unavailable' }],
  ])('maps status %i with %j to one of its reasons', async (status, body, headers, expected) => {
    answer = failing(status, body, headers);
    expect(await fetchBundle()).toMatchObject({ ok: false, status, ...expected });
  });

  it.each([
    ['empty-body', Buffer.alloc(0), true],
    ['empty-cursor', bundle(''), true],
    ['missing-cookie', bundle(), false],
    ['undecodable', Buffer.from('<html>'), true],
    ['undecodable', Buffer.from([0x0a, 0xff, 0xff]), true],
  ] as const)('takes a 200 with %s for a bad answer', async (fault, body, cookie) => {
    answer = (_request, response) => {
      if (cookie) response.setHeader('x-set-tt-cookie', 'ttwid=1');
      response.end(body);
    };
    expect(await fetchBundle()).toMatchObject({ ok: false, reason: 'bad-answer', fault });
  });

  it('reads no more than its bound', async () => {
    answer = (_request, response) => void response.end(Buffer.alloc(20_000));
    expect(await fetchBundle(new HttpSigner({ url, answerBytesMax: 10_000 }))).toMatchObject({ reason: 'bad-answer', fault: 'too-large' });
  });

  it('tells a signer that hangs from one that is not there, and carries its key along no redirect', async () => {
    answer = () => undefined;
    expect(await fetchBundle()).toMatchObject({ reason: 'timeout', message: expect.stringContaining('200 ms') });
    expect(await fetchBundle(new HttpSigner({ url: 'http://127.0.0.1:1' }))).toMatchObject({ reason: 'unavailable' });
    answer = (_request, response) => void response.writeHead(302, { location: `${url}/elsewhere` }).end();
    asked = [];
    expect(await fetchBundle()).toMatchObject({ reason: 'unavailable' });
    expect(asked).toHaveLength(1);
  });

  it('ends at once when the caller gives up', async () => {
    answer = () => undefined;
    const controller = new AbortController();
    const pending = new HttpSigner({ url }).fetchBundle({ roomId: ROOM }, controller.signal);
    setTimeout(() => controller.abort(), 10);
    expect(await pending).toMatchObject({ ok: false, reason: 'timeout' });
  });

  it('finds rooms: live, offline, unknown, and a signer that fails', async () => {
    const signer = new HttpSigner({ url });
    answer = failing(200, { code: 200, ok: true, is_live: true, room_id: ROOM, source: 'live page' });
    expect(await signer.roomId('somebody', never)).toEqual({ ok: true, live: true, roomId: ROOM, source: 'live page' });
    answer = failing(200, { code: 200, ok: true, is_live: false });
    expect(await signer.roomId('somebody', never)).toEqual({ ok: true, live: false });
    answer = failing(404, { code: 404, ok: false, message: 'nobody of this name' });
    expect(await signer.roomId('somebody', never)).toMatchObject({ ok: false, reason: 'not-found' });
    answer = failing(404, { code: 404, message: 'no such route' });
    expect(await signer.roomId('somebody', never)).toMatchObject({ ok: false, reason: 'bad-answer' });
    answer = failing(200, { code: 200, ok: false, message: 'no idea' });
    expect(await signer.roomId('somebody', never)).toMatchObject({ ok: false, reason: 'bad-answer', message: 'no idea' });
  });

  it('hands an old script the address and parameters of its socket, and the headers that belong to them', async () => {
    const provider = new LocalSigningProvider(`${url}/api/`);
    const params = { uniqueId: 'somebody', roomId: null, preferredAgentIds: [], sessionId: undefined };
    expect(await provider.signedWebSocketProvider.bind(provider)(params)).toMatchObject({
      wsUrl: 'wss://push.tiktok.com/webcast/im/push/v2/',
      wsParams: { room_id: ROOM, cursor: 't-1', internal_ext: 'ext', compress: 'gzip', unique_id: 'somebody', 'X-Bogus': 'bogus' },
      wsHeaders: { Cookie: 'ttwid=1%7Cabc; msToken=m', 'User-Agent': 'Mozilla/5.0 (made for it)' },
      cursor: 't-1',
      internalExt: 'ext',
    });
    expect(asked[0]?.url).toMatch(/^\/webcast\/rooms\/0\/connect\?.*unique_id=somebody/);
  });

  it('throws an error that says why where there is no socket to hand out', async () => {
    const provider = new LocalSigningProvider(url);
    answer = failing(404, { reason: 'offline', message: '@somebody is not live at the moment' });
    await expect(provider.signedWebSocketProvider({ uniqueId: 'somebody' })).rejects.toMatchObject({
      name: 'LocalSigningError',
      failure: { reason: 'offline' },
    });
    await expect(provider.signedWebSocketProvider({ uniqueId: 'somebody' })).rejects.toBeInstanceOf(LocalSigningError);
    await expect(provider.signedWebSocketProvider({})).rejects.toThrow('uniqueId or roomId: expected one of them');
  });
});
