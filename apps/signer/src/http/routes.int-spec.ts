import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createRedis, hashKey, KeyProjection, type KeyRecord, type Logger, newKey, waitForRedis } from '@tributary/runtime';
import { randomUUID } from 'node:crypto';
import { request as rawRequest } from 'node:http';
import { connect } from 'node:net';
import { ProtoMessageFetchResult } from 'tiktok-live-proto/v3';
import { ScriptedUpstream } from '../testing/scripted-upstream.js';
import { type RunningSigner, startSigner } from '../testing/start-signer.js';

const ROOM = '7540589352666090247';
const redisUrl = process.env.TRIBUTARY_TEST_REDIS_URL ?? '';
const quiet = { trace() {}, debug() {}, info() {}, warn() {}, error() {} } as unknown as Logger;

interface ErrorBody {
  code: number;
  message: string;
  reason: string;
  response?: object;
}

describe('routes of the signer', () => {
  let upstream: ScriptedUpstream;
  let signer: RunningSigner;

  beforeEach(async () => {
    upstream = await new ScriptedUpstream().start();
    upstream.faultPath = /im\/fetch/;
    signer = await startSigner({
      signProviders: ['simulator'],
      tiktokWebUrl: upstream.url,
      tiktokWebcastUrl: upstream.url,
      signTimeoutMs: 400,
      signBudgetMs: 1_000,
    });
  });
  afterEach(async () => {
    await signer.stop();
    await upstream.stop();
  });
  const get = (path: string, headers: Record<string, string> = {}) => fetch(signer.url + path, { headers });
  const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
    fetch(signer.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  const errorOf = async (response: Response) => (await response.json()) as ErrorBody;

  it.each([
    ['2.5', `/webcast/rooms/${ROOM}/connect?client=ttlive-node&cursor=&user_agent=Mozilla%2F5.0%20(X)&client_enter=true&platform=web`],
    ['older', `/webcast/fetch?client=ttlive-node&room_id=${ROOM}&cursor=&preferred_agent_ids=&uuc=1`],
    ['a slash too many', `//webcast//fetch?room_id=${ROOM}`],
  ])('gives a bundle with the headers clients need, by the path of %s', async (_name, path) => {
    const response = await get(path, { accept: 'application/json' });
    expect(response.status).toBe(200);
    expect(ProtoMessageFetchResult.decode(Buffer.from(await response.arrayBuffer())).cursor).not.toBe('');
    expect(response.headers.get('content-type')).toBe('application/protobuf');
    expect(response.headers.get('x-set-tt-cookie')).toMatch(/^ttwid=/);
    expect(response.headers.get('x-room-id')).toBe(ROOM);
    expect(response.headers.get('x-provider')).toBe('simulator');
    expect(response.headers.get('x-user-agent')).toMatch(/^Mozilla\/5\.0/);
    expect(response.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  });

  it.each([
    ['empty-body', 503, 'blocked'],
    ['empty-cursor', 503, 'blocked'],
    ['http-403', 503, 'blocked'],
    ['http-402', 402, 'premium'],
    ['http-429', 429, 'rate-limited'],
    ['http-500', 503, 'unavailable'],
    ['crash', 503, 'unavailable'],
    ['hang', 504, 'timeout'],
    ['garbage', 502, 'bad-answer'],
  ] as const)('answers %s of its last provider with status %i and reason %s, in the shape clients parse', async (fault, status, reason) => {
    upstream.fault = fault;
    const response = await get(`/webcast/rooms/${ROOM}/connect`);
    expect(response.status).toBe(status);
    expect(response.headers.get('content-type')).toMatch(/^application\/json/);
    const body = await errorOf(response);
    expect(body).toMatchObject({ code: status, reason });
    expect(body.message.length).toBeGreaterThanOrEqual(20);
    if (status === 429) {
      expect(response.headers.get('retry-after')).toBe('7');
      expect(Number(response.headers.get('x-ratelimit-reset'))).toBeGreaterThan(Date.now() / 1000);
      expect(response.headers.get('x-log-id')).toBeTruthy();
      expect(response.headers.get('x-agent-id')).toBeTruthy();
      expect(body).toHaveProperty('limit_label');
    }
  });

  it.each([
    ['a room that is no number', '/webcast/rooms/abc/connect', /^room_id: expected 5 to 20 digits/],
    ['a room too long', `/webcast/rooms/${'1'.repeat(21)}/connect`, /^room_id: expected/],
    ['no room and no creator', '/webcast/fetch', /^room_id: expected a room id, or unique_id/],
    ['a creator that cannot be', '/webcast/fetch?unique_id=not%20a%20name', /^unique_id: /],
    ['two rooms', `/webcast/fetch?room_id=${ROOM}&room_id=2`, /^room_id: expected one value/],
    ['a cursor too long', `/webcast/rooms/${ROOM}/connect?cursor=${'c'.repeat(2_001)}`, /^cursor: expected at most 2000/],
    ['a user agent too long', `/webcast/rooms/${ROOM}/connect?user_agent=${'u'.repeat(600)}`, /^user_agent: expected at most 512/],
    ['a user agent that splits headers', `/webcast/rooms/${ROOM}/connect?user_agent=%0d%0aset-cookie`, /^user_agent: expected printable/],
    ['no URL to sign', '/webcast/sign_url', /^url: expected/],
  ])('refuses %s by name of the field, and asks nobody', async (_what, path, message) => {
    const response = await get(path);
    expect(response.status).toBe(400);
    expect((await errorOf(response)).message).toMatch(message);
    expect(upstream.seen).toEqual([]);
  });

  it('signs a URL for the clients of 2.x and of 1.x, without the tokens of a former signature', async () => {
    const url = `http://webcast.tiktok.com/webcast/gift/list/?room_id=${ROOM}&X-Bogus=old&msToken=old&`;
    const nested = (await (
      await post('/tiktok/sign_url?client=ttlive-node', { url, method: 'GET', userAgent: 'Mozilla/5.0 (X)' })
    ).json()) as {
      code: number;
      response: { signedUrl: string; tokens: object; userAgent: string };
    };
    expect(nested).toMatchObject({
      code: 200,
      response: { userAgent: 'Mozilla/5.0 (X)', tokens: { 'X-Bogus': 'bogus' }, browserName: 'Mozilla' },
    });
    expect(nested.response.signedUrl).toBe(`http://webcast.tiktok.com/webcast/gift/list/?room_id=${ROOM}&X-Bogus=bogus&msToken=token`);
    const flat = await (await get(`/webcast/sign_url?client=ttlive-node&uuc=1&url=${encodeURIComponent(url)}`)).json();
    expect(flat).toMatchObject({ signedUrl: nested.response.signedUrl, msToken: 'token', 'User-Agent': expect.stringMatching(/^Mozilla/) });
  });

  it('serves the first form of the API with real values, and says what it cannot give', async () => {
    const response = await post('/api/eulerstream', { url: 'https://www.tiktok.com/@somebody/live' });
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      success: true,
      data: { signed_url: expect.stringContaining('X-Bogus=bogus'), 'X-Bogus': 'bogus', navigator: { user_agent: expect.any(String) } },
      unavailable: ['signature', 'x-tt-params'],
    });
    expect(await (await post('/api/eulerstream', { url: 'https://example.com/' })).json()).toMatchObject({ success: false, code: 400 });
  });

  it.each([
    'https://example.com/',
    'https://tiktok.com.example.com/',
    'https://www.tiktok.com:8443/',
    'https://user:pw@www.tiktok.com/',
    'http://169.254.169.254/latest/meta-data',
    'http://127.0.0.1:1/',
    'file:///etc/passwd',
    'not a url',
    '',
  ])('signs nothing of another host: %s', async (url) => {
    const response = await post('/tiktok/sign_url', { url });
    expect(response.status).toBe(400);
    const body = await errorOf(response);
    expect(body.message).toMatch(/^url: expected/);
    expect(body.response).toEqual({});
    expect(upstream.seen).toEqual([]);
  });

  it('answers a body that cannot be read, or is too large, in the shape clients parse', async () => {
    for (const [body, status] of [
      ['{', 400],
      ['[]', 400],
      [JSON.stringify({ url: 'x'.repeat(200_000) }), 413],
    ] as const) {
      const response = await post('/webcast/sign_url', body);
      expect(response.status).toBe(status);
      expect(await errorOf(response)).toMatchObject({ code: status, response: {} });
    }
  });

  it('answers routes that it does not have, and chat, so that clients can say why', async () => {
    expect(await errorOf(await get('/webcast/feed'))).toMatchObject({ code: 404, message: expect.stringContaining('GET /webcast/feed') });
    expect(await errorOf(await post(`/webcast/rooms/${ROOM}/chat`, { content: 'hi' }))).toMatchObject({ code: 403 });
    expect((await post('/webcast/feed', {})).status).toBe(404);
  });

  it.each([
    ['POST', `/webcast/rooms/${ROOM}/connect`, 'GET, HEAD, OPTIONS'],
    ['POST', '/webcast/fetch', 'GET, HEAD, OPTIONS'],
    ['POST', '//webcast//fetch', 'GET, HEAD, OPTIONS'],
    ['DELETE', '/webcast/sign_url', 'GET, HEAD, POST, OPTIONS'],
    ['GET', '/tiktok/sign_url', 'POST, OPTIONS'],
    ['GET', '/webcast/bulk_live_check', 'POST, OPTIONS'],
    ['GET', '/api/eulerstream', 'POST, OPTIONS'],
    ['GET', '/webcast/chat', 'POST, OPTIONS'],
  ])('answers %s %s with the method that it takes', async (method, path, allowed) => {
    const response = await fetch(signer.url + path, { method });
    expect([response.status, response.headers.get('allow')]).toEqual([405, allowed]);
    expect((await errorOf(response)).message).toMatch(/.{20}/);
  });

  it('serves others while a client does not finish its request', async () => {
    const slow = connect(Number(new URL(signer.url).port), '127.0.0.1');
    slow.write('POST /tiktok/sign_url HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{');
    expect((await get('/healthz')).status).toBe(200);
    slow.destroy();
  });

  it('uses session cookies for their request and shows them nowhere else', async () => {
    await get(`/webcast/rooms/${ROOM}/connect?session_id=hidden-session&tt_target_idc=useast1a`, {
      'x-cookie-header': 'sid_guard=hidden-guard',
    });
    expect(upstream.seen.at(-1)?.headers.cookie).toMatch(/sessionid=hidden-session/);
    upstream.seen.length = 0;
    await get(`/webcast/rooms/${ROOM}/connect`);
    expect(JSON.stringify([upstream.seen, signer.logged])).not.toMatch(/hidden/);
    expect(await (await get('/v1/providers')).text()).not.toMatch(/hidden/);
  });

  it('logs one line per request with route, provider and attempts, and no query', async () => {
    await get(`/webcast/rooms/${ROOM}/connect?client=ttlive-node&apiKey=trib_secret&cursor=somewhere`);
    const lines = signer.logged.filter(({ message }) => message === 'request');
    expect(lines).toHaveLength(1);
    expect(lines[0]?.fields).toMatchObject({
      route: '/webcast/rooms/:room_id/connect',
      status: 200,
      client: 'ttlive-node',
      room: ROOM,
      provider: 'simulator',
      attempts: [{ provider: 'simulator', reason: 'ok', skipped: false }],
    });
    expect(JSON.stringify(signer.logged)).not.toMatch(/trib_secret|somewhere/);
  });

  it('shows providers with success by reason, latency and breaker, and closes a breaker by hand', async () => {
    upstream.fault = 'empty-body';
    for (let i = 0; i < 6; i++) await get(`/webcast/rooms/${75_405_893_526_660 + i}/connect`);
    const { data } = (await (await get('/v1/providers')).json()) as { data: object[] };
    expect(data).toMatchObject([
      {
        name: 'simulator',
        order: 1,
        operations: { connect: { breaker: { state: 'open', reason: 'empty-body' }, failures: { 'empty-body': 5 } } },
      },
    ]);
    const notReady = await get('/readyz');
    expect([notReady.status, await notReady.text()]).toEqual([503, expect.stringContaining('simulator (empty-body)')]);
    upstream.fault = undefined;
    expect((await post('/v1/providers/simulator/reset', {})).status).toBe(204);
    expect((await get(`/webcast/rooms/${ROOM}/connect`)).status).toBe(200);
    const unknown = await post('/v1/providers/nobody/reset', {});
    expect([unknown.status, unknown.headers.get('content-type')]).toEqual([404, expect.stringMatching(/^application\/problem\+json/)]);
    expect(await (await get('/metrics')).text()).toMatch(
      /sign_provider_attempts_total\{provider="simulator",operation="connect",outcome="empty-body"/,
    );
  });

  it('says the same when the client hangs up: nothing', async () => {
    upstream.fault = 'hang';
    const client = rawRequest(`${signer.url}/webcast/rooms/${ROOM}/connect`);
    client.on('error', () => undefined);
    client.end();
    while (!upstream.seen.some(({ path }) => path.includes('im/fetch'))) await new Promise((resolve) => setImmediate(resolve));
    client.destroy();
    upstream.fault = undefined;
    await get(`/webcast/rooms/${ROOM}/connect`);
    const { data } = (await (await get('/v1/providers')).json()) as { data: { operations: { connect: { failures: object } } }[] };
    expect(data[0]?.operations.connect.failures).toEqual({});
  });
});

describe('access to the signer', () => {
  const prefix = `sign-${randomUUID()}`;
  const redis = createRedis(redisUrl, quiet, { name: 'signer-test' });
  const projection = new KeyProjection(redis, prefix);
  const signing = newKey();
  const reading = newKey();
  const admin = newKey();
  let upstream: ScriptedUpstream;
  let signer: RunningSigner;

  beforeAll(async () => {
    upstream = await new ScriptedUpstream().start();
    await waitForRedis(redis, quiet);
    const settings = { signProviders: ['simulator'], tiktokWebUrl: upstream.url, tiktokWebcastUrl: upstream.url, redisPrefix: prefix };
    signer = await startSigner({ ...settings, mode: 'production' });
  });
  afterAll(async () => {
    await redis.del(await redis.keys(`${prefix}:*`));
    redis.disconnect();
    await signer.stop();
    await upstream.stop();
  });
  const ask = (path: string, headers: Record<string, string> = {}, method = 'GET') => fetch(signer.url + path, { headers, method });
  const path = `/webcast/rooms/${ROOM}/connect`;

  it('cannot say whether a key is good before the projection is there, and says that', async () => {
    const response = await ask(path, { 'x-api-key': signing });
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('2');
  });

  it('lets a key with the scope in by each of the ways clients send it, and nobody else', async () => {
    const record = (name: string, scopes: KeyRecord['scopes']): KeyRecord => ({ id: name, name, scopes });
    await projection.write(
      new Map([
        [hashKey(signing), record('key_sign', ['sign'])],
        [hashKey(reading), record('key_read', ['read'])],
        [hashKey(admin), record('key_admin', ['admin'])],
      ]),
      '1',
    );
    expect((await ask(path, { 'x-api-key': signing })).status).toBe(200);
    expect((await ask(path, { authorization: `Bearer ${signing}` })).status).toBe(200);
    expect((await ask(`${path}?apiKey=${signing}`)).status).toBe(200);
    expect((await ask(path, { 'x-api-key': reading })).status).toBe(403);
    expect((await ask(path)).status).toBe(401);
    const unknown = await ask(path, { 'x-api-key': newKey() });
    expect(unknown.status).toBe(401);
    expect(await unknown.json()).toMatchObject({ code: 401, message: expect.stringMatching(/.{20}/) });
    expect((await ask('/v1/providers', { 'x-api-key': signing })).status).toBe(200);
    expect((await ask('/v1/providers/simulator/reset', { 'x-api-key': signing }, 'POST')).status).toBe(403);
    expect((await ask('/v1/providers/simulator/reset', { 'x-api-key': admin }, 'POST')).status).toBe(204);
    expect((await ask('/healthz')).status).toBe(200);
    expect(JSON.stringify(signer.logged)).not.toContain(signing);
    expect(signer.logged.some(({ fields }) => fields.key === 'key_sign')).toBe(true);
  });
});
