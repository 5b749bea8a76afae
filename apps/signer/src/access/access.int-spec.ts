import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type Config, createRedis, hashKey, KeyProjection, type KeyRecord, type Logger, newKey, waitForRedis } from '@tributary/runtime';
import { Simulator, testServers, waitFor } from '@tributary/testing';
import type { Redis } from 'ioredis';
import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { type RunningSigner, startSigner } from '../testing/start-signer.js';

const quiet = { trace() {}, debug() {}, info() {}, warn() {}, error() {} } as unknown as Logger;
const SECRET = 'a secret of more than thirty-two characters';

interface Answer<T = Record<string, unknown>> {
  status: number;
  headers: Headers;
  body: T;
}

describe('who may use the signer, and how much', () => {
  let redis: Redis;
  let simulator: Simulator;
  let signer: RunningSigner;
  let prefix: string;
  const keys = { sign: newKey(), small: newKey(), read: newKey() };

  const writeKeys = (without?: keyof typeof keys) =>
    new KeyProjection(redis, prefix).write(
      new Map(
        Object.entries(keys)
          .filter(([name]) => name !== without)
          .map(([name, key]): [string, KeyRecord] => [
            hashKey(key),
            { id: `key_${name}`, name, scopes: [name === 'read' ? 'read' : 'sign'] },
          ]),
      ),
      randomUUID(),
    );
  const start = async (changes: Partial<Config> = {}) => {
    prefix = `access-${randomUUID()}`;
    await writeKeys();
    const tiktok = { tiktokWebUrl: simulator.url, tiktokWebcastUrl: simulator.url, tiktokSocketUrl: simulator.socketUrl };
    signer = await startSigner({ ...tiktok, signProviders: ['simulator'], mode: 'production', redisPrefix: prefix, ...changes });
  };
  const ask = async <T = Record<string, unknown>>(
    path: string,
    headers: Record<string, string> = {},
    body?: unknown,
  ): Promise<Answer<T>> => {
    const response = await fetch(signer.url + path, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: (text.startsWith('{') ? JSON.parse(text) : {}) as T };
  };
  const key = (name: keyof typeof keys) => ({ 'x-api-key': keys[name] });
  const roomOf = (name: string) => simulator.room(name)?.roomId ?? '';
  const connectTo = (name: string) => `/webcast/rooms/${roomOf(name)}/connect`;

  beforeAll(async () => {
    redis = createRedis(testServers().redisUrl, quiet, { name: 'access-test' });
    await waitForRedis(redis, quiet);
    simulator = await new Simulator({
      rooms: [{ uniqueId: 'luna.bakes' }, { uniqueId: 'other.room' }, { uniqueId: 'gated', gated: true }],
    }).start();
  });
  afterEach(() => signer.stop());
  afterAll(async () => {
    redis.disconnect();
    await simulator.stop();
  });

  describe('limits', () => {
    beforeEach(() => start({ signPerKeyMinute: 3, signPerKeyHour: 100, signKeyLimits: ['key_small=1/0/0'] }));

    it('answers the request after the last with 429 as clients and standards expect it, and lets other keys go on', async () => {
      for (const left of ['2', '1', '0']) {
        const { status, headers } = await ask(connectTo('luna.bakes'), key('sign'));
        expect([status, headers.get('ratelimit-limit'), headers.get('ratelimit-remaining')]).toEqual([200, '3', left]);
      }
      const { status, headers, body } = await ask(connectTo('luna.bakes'), key('sign'));
      expect(status).toBe(429);
      expect(body).toMatchObject({ code: 429, reason: 'rate-limited', limit_label: 'minute', message: expect.stringMatching(/.{20}/) });
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(50);
      expect(Number(headers.get('x-ratelimit-reset'))).toBeGreaterThan(Date.now() / 1000 + 50);
      expect(headers.get('ratelimit-remaining')).toBe('0');
      expect(headers.get('x-log-id')).toBeTruthy();
      expect((await ask(connectTo('luna.bakes'), key('small'))).status).toBe(200);
      expect((await ask(connectTo('luna.bakes'), key('small'))).status).toBe(429);
    });

    it('tells each key where it stands, in both generations of the route, at no cost', async () => {
      await ask(connectTo('luna.bakes'), key('sign'));
      for (const path of ['/accounts/me/rate_limits?type=WEBCAST', '/webcast/rate_limits']) {
        const { body } = await ask<{ minute: { reset_at: string } }>(path, key('sign'));
        expect(body).toMatchObject({
          code: 200,
          minute: { max: 3, remaining: 2 },
          hour: { max: 100, remaining: 99 },
          load_shedding: { at: 1, chance: 0 },
        });
        expect(Date.parse(body.minute.reset_at)).toBeGreaterThan(Date.now());
        expect(body).not.toHaveProperty('day');
      }
    });

    it('leaves what is not signing uncounted', async () => {
      for (let i = 0; i < 6; i++) expect((await ask('/v1/providers', key('sign'))).status).toBe(200);
      expect((await ask(connectTo('luna.bakes'), key('sign'))).headers.get('ratelimit-remaining')).toBe('2');
    });
  });

  describe('tokens', () => {
    beforeEach(() => start({ signTokenSecret: SECRET, signPerKeyMinute: 50, signOrigins: ['https://my.example'] }));
    const mint = async (asked: object, by: Record<string, string> = key('sign')) =>
      ask<{ token: string; code: number; expiresAt: string }>('/v1/tokens', by, { expiresInSeconds: 60, ...asked });
    const withToken = (token: string) => ({ 'x-jwt-key': token });

    it('lets a page connect with a token, by each of the ways clients send one, and counts it for its key', async () => {
      const { status, body } = await mint({ name: 'page' });
      expect([status, Date.parse(body.expiresAt) > Date.now()]).toEqual([201, true]);
      const { token } = body;
      expect((await ask(connectTo('luna.bakes'), withToken(token))).status).toBe(200);
      expect((await ask(connectTo('luna.bakes'), { authorization: `Bearer ${token}` })).status).toBe(200);
      expect((await ask(`${connectTo('luna.bakes')}?jwtKey=${token}`)).status).toBe(200);
      expect((await ask<{ minute: { remaining: number } }>('/webcast/rate_limits', key('sign'))).body.minute.remaining).toBe(47);
      expect(JSON.stringify(signer.logged)).not.toContain(token.split('.')[2]);
    });

    it('holds a token to its creators: by name, by room, for gifts and for signatures, gated rooms too', async () => {
      const { token } = (await mint({ creators: ['@luna.bakes', 'gated'] })).body;
      const may = async (path: string, body?: unknown) => (await ask(path, withToken(token), body)).status;
      expect(await may(connectTo('luna.bakes'))).toBe(200);
      expect(await may('/webcast/fetch?unique_id=luna.bakes')).toBe(200);
      expect(await may(connectTo('gated'))).toBe(200);
      expect(await may(connectTo('other.room'))).toBe(403);
      expect(await may(`${connectTo('other.room')}?unique_id=luna.bakes`)).toBe(403);
      expect(await may('/webcast/fetch?unique_id=other.room')).toBe(403);
      expect(await may('/webcast/anchors/other.room/room_id')).toBe(403);
      expect(await may(`/webcast/rooms/${roomOf('other.room')}/gifts`)).toBe(403);
      expect(await may('/webcast/bulk_live_check', { user_numeric_ids: ['1'] })).toBe(403);
      const url = (name: string) => `https://webcast.tiktok.com/webcast/room/info/?room_id=${roomOf(name)}`;
      expect(await may('/tiktok/sign_url', { url: url('luna.bakes') })).toBe(200);
      expect(await may('/tiktok/sign_url', { url: url('other.room') })).toBe(403);
      expect(await may('/tiktok/sign_url', { url: 'https://www.tiktok.com/@luna.bakes/live' })).toBe(403);
    });

    it('holds a token to its creators whatever else is said, and in whatever form', async () => {
      const { token } = (await mint({ creators: ['luna.bakes'] })).body;
      const may = async (path: string, body?: unknown) => (await ask(path, withToken(token), body)).status;
      const [mine, other] = [roomOf('luna.bakes'), roomOf('other.room')];
      for (const form of ['luna.bakes', '@luna.bakes', '%40Luna.Bakes', 'LUNA.BAKES', 'https://www.tiktok.com/@luna.bakes/live'])
        expect([form, await may(`/webcast/fetch?unique_id=${encodeURIComponent(decodeURIComponent(form))}`)]).toEqual([form, 200]);
      for (const form of ['other.room', '@Other.Room', '%40other.room', 'https://tiktok.com/@other.room', 'luna.bakes/../@other.room'])
        expect([form, await may(`/webcast/fetch?unique_id=${form}`)]).not.toEqual([form, 200]);
      for (const [query, status] of [
        ['unique_id=luna.bakes&unique_id=other.room', 400],
        ['unique_id=luna.bakes&uniqueId=other.room', 400],
        ['uniqueId=luna.bakes&unique_id=luna.bakes', 200],
        ['unique_id[]=luna.bakes&unique_id[]=other.room', 400],
        [`room_id=${mine}&room_id=${other}`, 400],
        [`room_id=${mine}&roomId=${other}`, 400],
        [`room_id=${mine}&unique_id=other.room`, 403],
        [`room_id=${other}&unique_id=luna.bakes`, 403],
        [`room_id=0&unique_id=other.room`, 403],
        [`room_id=0${mine}`, 400],
      ] as const)
        expect([query, await may(`/webcast/fetch?${query}`)]).toEqual([query, status]);
      expect(await may(`${connectTo('luna.bakes')}?unique_id=other.room`)).toBe(403);
      expect(await may(`${connectTo('luna.bakes')}?uniqueId=luna.bakes&unique_id=other.room`)).toBe(400);
      expect(await may(`/webcast/anchors/${encodeURIComponent('@OTHER.ROOM')}/room_info`)).toBe(403);
      expect(await may(`/webcast/room_id?uniqueId=luna.bakes&unique_id=other.room`)).toBe(400);
      expect(await may('/v1/providers')).toBe(403);
      const base = 'https://webcast.tiktok.com/webcast/room/info/';
      for (const url of [
        `${base}?room_id=${mine}&room_id=${other}`,
        `${base}?room_id=${mine}&room%5Fid=${other}`,
        `${base}?room_id=${mine}&room_ids=${other}`,
      ]) {
        expect([url, await may('/tiktok/sign_url', { url }), await may('/api/eulerstream', { url })]).toEqual([url, 403, 403]);
        expect([url, await may(`/webcast/sign_url?url=${encodeURIComponent(url)}`)]).toEqual([url, 403]);
      }
      const url = `${base}?room_id=${mine}`;
      expect(await may('/tiktok/sign_url', { url, method: 'POST', payload: `room_id=${other}` })).toBe(403);
      expect(await may('/tiktok/sign_url', { url: [url, `${base}?room_id=${other}`] })).toBe(400);
    });

    it('takes no credential that is given twice, and no restriction of a token from its query', async () => {
      const [one, two] = [(await mint({ creators: ['luna.bakes'] })).body.token, (await mint({})).body.token];
      for (const query of [`jwtKey=${one}&jwtKey=${two}`, `apiKey=${keys.sign}&apiKey=${keys.sign}`])
        expect((await ask(`${connectTo('luna.bakes')}?${query}`)).status).toBe(400);
      expect((await ask(connectTo('luna.bakes'), { authorization: `Bearer ${one}, Bearer ${two}` })).status).toBe(401);
      for (const path of ['/v1/tokens?creators=luna.bakes', '/accounts/1/jwt/create?allowedCreators=luna.bakes'])
        expect((await ask(path, key('sign'), path.startsWith('/v1') ? { expiresInSeconds: 60 } : { expireAfter: 60 })).status).toBe(400);
    });

    it('makes no token for more creators than the key has, and narrows a token with its key', async () => {
      const limited = newKey();
      const write = (handles: string[]) =>
        new KeyProjection(redis, prefix).write(
          new Map([
            [
              hashKey(limited),
              { id: 'key_limited', name: 'limited', scopes: ['sign'], restriction: { creators: ['cr_1', 'cr_2'] }, handles },
            ],
          ]),
          randomUUID(),
        );
      await write(['luna.bakes', 'gated']);
      const by = { 'x-api-key': limited };
      await waitFor(async () => (await ask(connectTo('luna.bakes'), by)).status === 200, { what: 'the key' });
      expect((await ask(connectTo('other.room'), by)).status).toBe(403);
      expect((await mint({ creators: ['luna.bakes', 'other.room'] }, by)).status).toBe(403);
      const all = (await mint({}, by)).body.token;
      const some = (await mint({ creators: ['gated'] }, by)).body.token;
      const may = async (name: string, token: string) => (await ask(connectTo(name), withToken(token))).status;
      expect([await may('luna.bakes', all), await may('other.room', all)]).toEqual([200, 403]);
      expect([await may('luna.bakes', some), await may('gated', some)]).toEqual([403, 200]);
      await write(['luna.bakes']);
      await waitFor(async () => (await may('gated', some)) === 403, { what: 'the token to follow its key', timeoutMs: 2_000 });
      expect(await may('gated', all)).toBe(403);
    });

    it('holds a token to limits of its own', async () => {
      const { token } = (await mint({ limits: { minute: 1 } })).body;
      expect((await ask(connectTo('luna.bakes'), withToken(token))).status).toBe(200);
      expect((await ask(connectTo('luna.bakes'), withToken(token))).body).toMatchObject({ code: 429, limit_label: 'minute' });
      expect((await ask(connectTo('luna.bakes'), key('sign'))).status).toBe(200);
    });

    it('lets no token do more than sign: none mints, none resets, none outlives its key', async () => {
      const { token } = (await mint({})).body;
      expect((await mint({}, withToken(token))).status).toBe(403);
      expect((await ask('/v1/providers/simulator/reset', withToken(token), {})).status).toBe(403);
      await writeKeys('sign');
      await signer.stop();
      const tiktok = { tiktokWebUrl: simulator.url, tiktokWebcastUrl: simulator.url };
      signer = await startSigner({
        ...tiktok,
        signProviders: ['simulator'],
        mode: 'production',
        redisPrefix: prefix,
        signTokenSecret: SECRET,
      });
      expect((await ask(connectTo('luna.bakes'), withToken(token))).body).toMatchObject({ code: 401, message: /revoked/ });
    });

    it('mints only for keys that may sign, and names what is wrong with a request', async () => {
      expect((await mint({}, key('read'))).status).toBe(403);
      expect((await mint({}, {})).status).toBe(401);
      for (const [asked, message] of [
        [{ expiresInSeconds: 0 }, /expiresInSeconds: expected/],
        [{ expiresInSeconds: 100_000 }, /expiresInSeconds: expected/],
        [{ creators: [] }, /creators: expected/],
        [{ creators: 'luna.bakes' }, /creators: expected/],
        [{ creators: [['luna.bakes']] }, /creators\[0\]: expected/],
        [{ creator: ['luna.bakes'] }, /creator: expected one of/],
        [{ Creators: ['luna.bakes'] }, /Creators: expected one of/],
        [{ 'creators[]': ['luna.bakes'] }, /creators\[\]: expected one of/],
        [{ limits: '10' }, /limits: expected/],
        [{ limits: [10] }, /limits: expected/],
        [{ limits: { minutes: 10 } }, /limits\.minutes: expected one of/],
        [{ creators: ['no name!'] }, /creators\[0\]: expected/],
        [{ limits: { minute: -1 } }, /limits\.minute: expected/],
        [{ name: 'x'.repeat(200) }, /name: expected/],
      ] as const) {
        expect((await mint(asked)).body).toMatchObject({ detail: message });
      }
    });

    it('mints as the SDKs of Euler Stream ask for it, and takes no session into a token', async () => {
      const config = { expireAfter: 60, websockets: { allowedCreators: ['luna.bakes'], maxWebSockets: 1 } };
      const { status, body } = await ask<{ token: string }>('/accounts/1/jwt/create', key('sign'), config);
      expect([status, body]).toEqual([200, expect.objectContaining({ code: 200, config: expect.objectContaining({ ttl: 60 }) })]);
      expect((await ask(connectTo('other.room'), withToken(body.token))).status).toBe(403);
      for (const [websockets, message] of [
        ['luna.bakes', /^websockets: expected/],
        [['luna.bakes'], /^websockets: expected/],
        [{ allowedCreator: ['luna.bakes'] }, /^websockets\.allowedCreator: expected one of/],
        [{ allowedCreators: 'luna.bakes', maxWebSockets: 1 }, /^websockets\.allowedCreators: expected/],
        [{ allowedCreators: null, maxWebSockets: 'one' }, /^websockets\.maxWebSockets: expected/],
      ] as const) {
        expect((await ask('/accounts/1/jwt/create', key('sign'), { ...config, websockets })).body).toMatchObject({ code: 400, message });
      }
      const hidden = { ...config, websockets: { ...config.websockets, sessionId: 'hidden' } };
      expect((await ask('/accounts/1/jwt/create', key('sign'), hidden)).body).toMatchObject({
        code: 400,
        message: /^websockets\.sessionId/,
      });
      expect(JSON.stringify(signer.logged)).not.toContain('"hidden"');
    });

    it('lets pages of the named origins call, and no others', async () => {
      const preflight = (origin: string) =>
        fetch(signer.url + connectTo('luna.bakes'), {
          method: 'OPTIONS',
          headers: { origin, 'access-control-request-method': 'GET', 'access-control-request-headers': 'x-jwt-key' },
        });
      expect((await preflight('https://my.example')).headers.get('access-control-allow-origin')).toBe('https://my.example');
      expect((await preflight('https://evil.example')).headers.get('access-control-allow-origin')).toBeNull();
      const { token } = (await mint({})).body;
      const { headers } = await ask(connectTo('luna.bakes'), { ...withToken(token), origin: 'https://my.example' });
      expect(headers.get('access-control-expose-headers')).toMatch(/x-set-tt-cookie/);
    });
  });

  it('mints nothing in production without a secret', async () => {
    await start();
    expect((await ask('/v1/tokens', key('sign'), { expiresInSeconds: 60 })).body).toMatchObject({
      status: 501,
      detail: /SIGN_TOKEN_SECRET/,
    });
  });

  it('needs a key for what a page of another origin makes a browser send, in development on this machine too', async () => {
    await start({ mode: 'development', signOrigins: ['https://my.example'] });
    const path = connectTo('luna.bakes');
    const foreign: Record<string, string>[] = [{ origin: 'https://evil.example' }, { origin: 'null' }, { 'sec-fetch-site': 'cross-site' }];
    for (const headers of foreign) {
      expect({ headers, status: (await ask(path, headers)).status }).toEqual({ headers, status: 401 });
      expect((await ask('/v1/providers/simulator/reset', headers, {})).status).toBe(401);
      expect((await ask(path, { ...headers, ...key('sign') })).status).toBe(200);
    }
    const own: Record<string, string>[] = [{}, { origin: signer.url, 'sec-fetch-site': 'same-origin' }, { origin: 'https://my.example' }];
    for (const headers of own) expect({ headers, status: (await ask(path, headers)).status }).toEqual({ headers, status: 200 });
  });

  it('cuts a client off that does not finish its request in time', async () => {
    await start();
    const socket = connect(Number(new URL(signer.url).port), '127.0.0.1');
    let answer = '';
    let closed = false;
    socket.on('data', (data: Buffer) => (answer += data.toString()));
    socket.on('close', () => (closed = true));
    socket.write('POST /tiktok/sign_url HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{');
    await waitFor(() => closed, { timeoutMs: 14_000, what: 'the slow client to be cut off' });
    expect(answer).toMatch(/^HTTP\/1\.1 408/);
  });
});
