import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { waitFor } from '@tributary/testing';
import { Agent } from 'undici';
import { CHECK_ALIVE_ROOMS_MAX, RoomResolver, type RoomResolverOptions, type SignedRoom } from './room-resolver.js';

const ROOM = '7540589352666090247';
const never = new AbortController().signal;
const user = { id: '68', uniqueId: 'name', roomId: ROOM };
const page = (status: number) =>
  `<script id="SIGI_STATE" type="application/json">${JSON.stringify({ LiveRoom: { liveRoomUserInfo: { user, liveRoom: { status, title: 't' } } } })}</script>`;
const api = (status: number) => JSON.stringify({ statusCode: 0, data: { user, liveRoom: { status } } });

type Handler = (request: IncomingMessage, response: ServerResponse) => void;
const answer =
  (body: string | Buffer, status = 200, headers: Record<string, string> = {}): Handler =>
  (_request, response) =>
    void response.writeHead(status, headers).end(body);
const hang: Handler = () => undefined;

describe('the room resolver', () => {
  let server: Server;
  let dispatcher: Agent;
  let base: string;
  let routes: Record<string, Handler>;
  let requests: IncomingMessage[];

  beforeEach(async () => {
    routes = {};
    requests = [];
    server = createServer((request, response) => {
      requests.push(request);
      const path = (request.url ?? '').split('?', 1)[0] ?? '';
      (routes[path] ?? answer('no such page', 404))(request, response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    dispatcher = new Agent({ keepAliveTimeout: 1_000 });
  });

  afterEach(async () => {
    await dispatcher.destroy();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  const make = (overrides: Partial<RoomResolverOptions> = {}) =>
    new RoomResolver({
      webUrl: base,
      webcastUrl: base,
      userAgent: 'Mozilla/5.0 (X11; Linux x86_64) Test',
      timeoutMs: 2_000,
      dispatcher,
      ...overrides,
    });
  const resolve = (overrides: Partial<RoomResolverOptions> = {}) => make(overrides).resolve('name', never);
  const signed = (result: SignedRoom) => () => Promise.resolve(result);
  const paths = () => requests.map(({ url }) => (url ?? '').split('?', 1)[0]);

  it('asks the page, then the API, then the sign server, and stops at the first that knows', async () => {
    routes['/@name/live'] = answer(page(2));
    expect(await resolve()).toEqual({ kind: 'live', roomId: ROOM, userId: '68', uniqueId: 'name', title: 't', source: 'live page' });
    expect(paths()).toEqual(['/@name/live']);

    routes['/@name/live'] = answer('<html>captcha</html>');
    routes['/api-live/user/room/'] = answer(api(4));
    expect(await resolve()).toEqual({
      kind: 'offline',
      roomId: ROOM,
      userId: '68',
      source: 'room API',
      errors: ['live page: a captcha page'],
    });

    routes['/api-live/user/room/'] = answer('');
    expect(await resolve({ signRoomId: signed({ ok: true, live: true, roomId: ROOM }) })).toEqual({
      kind: 'live',
      roomId: ROOM,
      uniqueId: 'name',
      source: 'sign server',
      errors: ['live page: a captcha page', expect.stringContaining('room API: an empty answer')],
    });
  });

  it('takes no room id for live unless the status is 2', async () => {
    for (const status of [0, 1, 3, 4]) {
      routes['/@name/live'] = answer(page(status));
      expect(await resolve()).toMatchObject({ kind: 'offline', roomId: ROOM });
    }
    expect(await resolve({ signRoomId: signed({ ok: true, live: false, roomId: ROOM }) })).toMatchObject({ kind: 'offline' });
  });

  it('keeps what each method said when none knows', async () => {
    routes['/@name/live'] = answer('', 302, { location: 'https://www.tiktok.com/login?token=secret' });
    routes['/api-live/user/room/'] = answer('oops', 500);
    const result = await resolve({ signRoomId: signed({ ok: false, reason: 'timeout', message: 'no answer in time' }) });
    expect(result).toEqual({
      kind: 'failed',
      errors: [
        'live page: redirected (302) to https://www.tiktok.com/login',
        'room API: status 500',
        'sign server: timeout: no answer in time',
      ],
    });
    expect(requests).toHaveLength(2);
  });

  it('takes code 19881007 for an answer beside a page without the creator, and asks on beside one that is unclear', async () => {
    const unknown = answer(JSON.stringify({ statusCode: 19881007 }));
    routes['/api-live/user/room/'] = unknown;
    routes['/@name/live'] = answer('<script id="SIGI_STATE">{"LiveRoom":{"liveRoomStatus":4}}</script>');
    expect(await resolve()).toEqual({ kind: 'not-found' });
    for (const page of [answer(''), answer('<html>captcha</html>'), answer('', 403), answer('', 500)]) {
      routes['/@name/live'] = page;
      expect((await resolve()).kind).not.toBe('not-found');
      expect(await resolve({ signRoomId: signed({ ok: true, live: true, roomId: ROOM }) })).toMatchObject({ kind: 'live', roomId: ROOM });
    }
    expect(await resolve({ signRoomId: signed({ ok: false, reason: 'not-found', message: 'no such user' }) })).toEqual({
      kind: 'not-found',
    });
    routes = {};
    expect(await resolve({ signRoomId: signed({ ok: false, reason: 'not-found', message: 'no such user' }) })).toEqual({
      kind: 'not-found',
    });
  });

  it('reports a block with how long to wait, and asks TikTok no second time after a 429', async () => {
    routes['/@name/live'] = answer('', 429, { 'retry-after': '30' });
    expect(await resolve()).toEqual({ kind: 'blocked', status: 429, retryAfterMs: 30_000, errors: ['live page: blocked with 429'] });
    expect(paths()).toEqual(['/@name/live']);

    routes['/@name/live'] = answer('', 403);
    routes['/api-live/user/room/'] = answer('', 403, { 'retry-after': '5' });
    expect(await resolve()).toMatchObject({ kind: 'blocked', status: 403, retryAfterMs: 5_000 });

    expect(await resolve({ signRoomId: signed({ ok: true, live: true, roomId: ROOM }) })).toMatchObject({
      kind: 'live',
      errors: ['live page: blocked with 403', 'room API: blocked with 403'],
    });
  });

  it('gives up on a server that hangs, before and inside the body', async () => {
    routes['/@name/live'] = hang;
    routes['/api-live/user/room/'] = (_request, response) => void response.writeHead(200).write('{"status');
    expect(await resolve({ timeoutMs: 100 })).toEqual({
      kind: 'failed',
      errors: ['live page: no answer within 100 ms', 'room API: no answer within 100 ms'],
    });
  });

  it('ends at once when aborted', async () => {
    routes['/@name/live'] = hang;
    const controller = new AbortController();
    const resolving = make({ signRoomId: () => Promise.reject(new Error('not to be called')) }).resolve('name', controller.signal);
    await waitFor(() => requests.length === 1);
    controller.abort();
    expect(await resolving).toEqual({ kind: 'failed', errors: ['live page: aborted', 'aborted'] });
    expect(requests).toHaveLength(1);
  });

  it('reads no more of an answer than its bound, packed or not', async () => {
    routes['/@name/live'] = answer('x'.repeat(200_000));
    routes['/api-live/user/room/'] = answer(gzipSync(Buffer.alloc(200_000)), 200, { 'content-encoding': 'gzip' });
    expect(await resolve({ bodyBytesMax: 100_000 })).toEqual({
      kind: 'failed',
      errors: ['live page: the answer is longer than 100000 bytes', 'room API: the answer unpacks to more than 100000 bytes'],
    });
  });

  it('unpacks gzip and brotli, and survives what is neither', async () => {
    routes['/@name/live'] = answer(gzipSync(page(2)), 200, { 'content-encoding': 'gzip' });
    expect(await resolve()).toMatchObject({ kind: 'live' });
    routes['/@name/live'] = answer(brotliCompressSync(page(2)), 200, { 'content-encoding': 'br' });
    expect(await resolve()).toMatchObject({ kind: 'live' });
    routes['/@name/live'] = answer('not gzip', 200, { 'content-encoding': 'gzip' });
    routes['/api-live/user/room/'] = answer('x', 200, { 'content-encoding': 'zstd' });
    expect(await resolve()).toMatchObject({
      kind: 'failed',
      errors: [expect.stringContaining('cannot be unpacked'), expect.stringContaining('zstd')],
    });
  });

  it('sends one creator’s cookies with that call alone, and keeps none that it is given', async () => {
    routes['/@name/live'] = answer(page(2), 200, { 'set-cookie': 'ttwid=given' });
    const resolver = make();
    await resolver.resolve('name', never, { cookies: 'sessionid=secret', userAgent: 'Mozilla/5.0 (Windows NT 10.0) Other' });
    await resolver.resolve('name', never);
    expect(requests.map(({ headers }) => headers.cookie)).toEqual(['sessionid=secret', undefined]);
    expect(requests[0]?.headers['user-agent']).toBe('Mozilla/5.0 (Windows NT 10.0) Other');
  });

  it('says so when nobody listens', async () => {
    const result = await resolve({ webUrl: 'http://127.0.0.1:1' });
    expect(result).toMatchObject({
      kind: 'failed',
      errors: [expect.stringContaining('ECONNREFUSED'), expect.stringContaining('ECONNREFUSED')],
    });
  });

  it('refuses to reach TikTok in clear', () => {
    expect(() => make({ webUrl: 'http://www.tiktok.com' })).toThrow(/webUrl.*https/);
    expect(() => make({ webcastUrl: 'http://webcast.tiktok.com' })).toThrow(/webcastUrl.*https/);
    expect(() => make({ webUrl: 'ftp://x' })).toThrow(/webUrl/);
    expect(() => make({ webUrl: 'nope' })).toThrow(/webUrl/);
  });

  it('tells a gated room from a finished one and from a failure', async () => {
    const info = (body: unknown) => (routes['/webcast/room/info/'] = answer(JSON.stringify(body)));
    info({ status_code: 4003182 });
    expect(await make().roomInfo(ROOM, never)).toEqual({ kind: 'gated', code: 4003182 });
    expect(new URL(requests[0]?.url ?? '', base).searchParams.get('room_id')).toBe(ROOM);
    info({ status_code: 30003 });
    expect(await make().roomInfo(ROOM, never)).toEqual({ kind: 'finished' });
    info({ status_code: 0, data: { status: 2 } });
    expect(await make().roomInfo(ROOM, never)).toMatchObject({ kind: 'info', live: true });
    routes['/webcast/room/info/'] = answer('');
    expect(await make().roomInfo(ROOM, never)).toMatchObject({ kind: 'failed' });
    routes['/webcast/room/info/'] = answer('', 429, { 'retry-after': '7' });
    expect(await make().roomInfo(ROOM, never)).toEqual({ kind: 'blocked', status: 429, retryAfterMs: 7_000 });
  });

  it('asks for many rooms in one request, and for no more than are allowed', async () => {
    routes['/webcast/room/check_alive/'] = (request, response) => {
      const ids = (new URL(request.url ?? '', base).searchParams.get('room_ids') ?? '').split(',');
      const data = ids.slice(1).map((id, n) => `{"alive":${n % 2 === 0},"room_id":${id},"room_id_str":"${id}"}`);
      response.end(`{"status_code":0,"data":[${data.join(',')}]}`);
    };
    const ids = Array.from({ length: CHECK_ALIVE_ROOMS_MAX }, (_, n) => String(7540589352666090000n + BigInt(n)));
    const result = await make().checkAlive(ids, never);
    if (result.kind !== 'ok') throw new Error(result.kind);
    expect(result.alive.size).toBe(CHECK_ALIVE_ROOMS_MAX - 1);
    expect(result.alive.get(ids[1]!)).toBe(true);
    expect(result.alive.get(ids[2]!)).toBe(false);
    expect(result.alive.has(ids[0]!)).toBe(false);
    expect(requests).toHaveLength(1);
    await expect(make().checkAlive([...ids, ROOM], never)).rejects.toThrow(/roomIds: at most 50/);
    expect(await make().checkAlive([], never)).toEqual({ kind: 'ok', alive: new Map() });
    expect(requests).toHaveLength(1);
  });
});
