import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type Config, createRedis, hashKey, KeyProjection, type KeyRecord, type Logger, newKey, waitForRedis } from '@tributary/runtime';
import { Simulator, testServers } from '@tributary/testing';
import type { Redis } from 'ioredis';
import { type RunningSigner, startSigner } from '../testing/start-signer.js';
import { Tokens } from './tokens.js';

const quiet = { trace() {}, debug() {}, info() {}, warn() {}, error() {} } as unknown as Logger;
const SECRET = 'a secret of more than thirty-two characters';
const PER_MINUTE = 10;

/** Ways to send a credential, by what a client of each makes of it. */
const WAYS: Record<string, (path: string, key: string) => [path: string, headers: Record<string, string>]> = {
  'x-api-key': (path, key) => [path, { 'x-api-key': key }],
  'Authorization: Bearer': (path, key) => [path, { authorization: `Bearer ${key}` }],
  '?apiKey=': (path, key) => [`${path}?apiKey=${key}`, {}],
  'x-jwt-key': (path, key) => [path, { 'x-jwt-key': key }],
  '?jwtKey=': (path, key) => [`${path}?jwtKey=${key}`, {}],
};

describe('guesses at keys of the signer', () => {
  let redis: Redis;
  let simulator: Simulator;
  let signer: RunningSigner;
  let connectPath: string;
  const keys = { known: newKey(), other: newKey() };

  const start = async (changes: Partial<Config> = {}) => {
    const redisPrefix = `guesses-${randomUUID()}`;
    const records = Object.entries(keys).map(([name, key]): [string, KeyRecord] => [
      hashKey(key),
      { id: `key_${name}`, name, scopes: ['sign'] },
    ]);
    await new KeyProjection(redis, redisPrefix).write(new Map(records), randomUUID());
    const tiktok = { tiktokWebUrl: simulator.url, tiktokWebcastUrl: simulator.url, tiktokSocketUrl: simulator.socketUrl };
    signer = await startSigner({
      ...tiktok,
      ...{ signProviders: ['simulator'], mode: 'production', redisPrefix, signTokenSecret: SECRET },
      ...{ wrongKeysPerMinute: PER_MINUTE, trustedProxies: ['127.0.0.0/8'] },
      ...changes,
    });
  };
  /** A request as a reverse proxy passes it on for a client. */
  const ask = async (from: string | undefined, path: string, headers: Record<string, string> = {}, method = 'GET') => {
    const forwarded: Record<string, string> = from === undefined ? {} : { 'x-forwarded-for': from };
    const answer = await fetch(signer.url + path, { method, headers: { ...forwarded, ...headers } });
    return { status: answer.status, retryAfter: Number(answer.headers.get('retry-after')), text: await answer.text() };
  };
  /** Guesses until the address has to wait. */
  const exhaust = async (from: string) => {
    const answers = await Promise.all(
      Array.from({ length: 5 * PER_MINUTE }, (_, i) => ask(from, '/v1/providers', { 'x-api-key': `guess${i}` })),
    );
    return answers.map(({ status }) => status);
  };

  beforeAll(async () => {
    redis = createRedis(testServers().redisUrl, quiet, { name: 'guesses-test' });
    await waitForRedis(redis, quiet);
    simulator = await new Simulator({ rooms: [{ uniqueId: 'luna.bakes' }] }).start();
    connectPath = `/webcast/rooms/${simulator.room('luna.bakes')!.roomId}/connect`;
  });
  afterEach(() => signer.stop());
  afterAll(async () => {
    redis.disconnect();
    await simulator.stop();
  });

  it('are slowed together, whichever way and route they take, and say when to come again', async () => {
    await start();
    const tries: [string, Record<string, string>, string][] = [];
    for (let i = 0; i < 12; i++) {
      for (const way of Object.values(WAYS)) {
        for (const [path, method] of [
          [connectPath, 'GET'],
          ['/v1/providers', 'GET'],
          ['/v1/tokens', 'POST'],
          ['/webcast/rate_limits', 'GET'],
        ] as const)
          tries.push([...way(path, tries.length % 2 ? `guess${tries.length}` : `a.b.guess${tries.length}`), method]);
      }
    }
    const answers = await Promise.all(tries.map(([path, headers, method]) => ask('203.0.113.7', path, headers, method)));
    const refused = answers.filter(({ status }) => status === 401).length;
    expect(refused).toBeGreaterThan(0);
    // One more may come each 6 s.
    expect(refused).toBeLessThanOrEqual(PER_MINUTE + 3);
    const slowed = answers.filter(({ status }) => status === 429);
    expect(slowed.length + refused).toBe(tries.length);
    for (const { retryAfter, text } of slowed) expect([retryAfter >= 1, text.includes('too many wrong keys')]).toEqual([true, true]);
    for (const [name, way] of Object.entries(WAYS)) {
      const [path, headers] = way(connectPath, 'another');
      expect({ name, status: (await ask('203.0.113.7', path, headers)).status }).toEqual({ name, status: 429 });
    }
  });

  it('keep the keys in use at their address going, delay the others there, and concern no other address', async () => {
    await start();
    const token = new Tokens(SECRET).mint({ sub: 'key_known', key: hashKey(keys.known), creators: null }, 60).token;
    expect((await ask('203.0.113.7', connectPath, { 'x-api-key': keys.known })).status).toBe(200);
    expect((await ask('203.0.113.7', connectPath, { 'x-jwt-key': token })).status).toBe(200);
    // The signer has this key and the bundle at hand: it answers the next such connect from memory.
    for (let i = 0; i < 2; i++) expect((await ask('203.0.113.9', connectPath, { 'x-api-key': keys.other })).status).toBe(200);
    expect(await exhaust('203.0.113.7')).toContain(429);
    for (let i = 0; i < 2; i++) {
      expect((await ask('203.0.113.7', connectPath, { 'x-api-key': keys.known })).status).toBe(200);
      expect((await ask('203.0.113.7', connectPath, { 'x-jwt-key': token })).status).toBe(200);
      // Otherwise a guess would be known for right by its answer.
      expect((await ask('203.0.113.7', connectPath, { 'x-api-key': keys.other })).status).toBe(429);
      expect((await ask('203.0.113.9', connectPath, { 'x-api-key': keys.other })).status).toBe(200);
    }
    expect((await ask('203.0.113.8', '/v1/providers', { 'x-api-key': 'guess' })).status).toBe(401);
  });

  it('are no tokens that have expired: a page whose token is old slows nobody', async () => {
    await start();
    const old = new Tokens(SECRET, () => Date.now() - 3_600_000);
    const answers = await Promise.all(
      Array.from({ length: 4 * PER_MINUTE }, () => {
        const { token } = old.mint({ sub: 'key_known', key: hashKey(keys.known), creators: null }, 60);
        return ask('203.0.113.7', connectPath, { 'x-jwt-key': token });
      }),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array(4 * PER_MINUTE).fill(401));
    expect((await ask('203.0.113.7', connectPath, { 'x-api-key': keys.other })).status).toBe(200);
  });

  it('count for the socket where its word is all there is: a header that anybody can write gives nobody another address', async () => {
    await start({ trustedProxies: [] });
    const answers = await Promise.all(
      Array.from({ length: 5 * PER_MINUTE }, (_, i) => ask(`203.0.113.${i}`, '/v1/providers', { 'x-api-key': `guess${i}` })),
    );
    expect(answers.filter(({ status }) => status === 401).length).toBeLessThanOrEqual(PER_MINUTE + 3);
  });

  it('cannot be skipped behind a reverse proxy on this machine: in development its clients need a key too', async () => {
    await start({ mode: 'development', trustedProxies: [] });
    expect((await ask(undefined, '/v1/providers')).status).toBe(200);
    expect((await ask('203.0.113.7', '/v1/providers')).status).toBe(401);
    for (const name of ['forwarded', 'x-real-ip'])
      expect((await ask(undefined, '/v1/providers', { [name]: 'for=203.0.113.7' })).status).toBe(401);
    expect((await ask('203.0.113.7', '/v1/providers', { 'x-api-key': keys.other })).status).toBe(200);
  });
});
