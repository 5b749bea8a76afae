import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  createLogger,
  createRedis,
  hashKey,
  type HttpAdapter,
  KeyProjection,
  type KeyRecord,
  newKey,
  SCOPES,
  waitForRedis,
} from '@tributary/runtime';
import { Simulator, testServers, waitFor } from '@tributary/testing';
import type { Redis } from 'ioredis';
import { type RunningSigner, startSigner } from '../../apps/signer/src/testing/start-signer.js';
import { type Answer, ask, type Cells, fill, print } from './cells.js';
import { type SignerRoute, signerRoutes } from './signer-routes.js';

type Case = SignerRoute & { method: string; pattern: string };

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
const logger = createLogger({ name: 'matrix', level: 'silent', format: 'json' });

let redis: Redis;
let simulator: Simulator;
let signer: RunningSigner;
let routes: Record<string, SignerRoute>;
/** Each route with its method; of those for every method, one for each. */
let cases: [string, Case][];
/** The same and, for each GET, its HEAD. */
let withHeads: [string, Case][];
/** What each caller sends. */
const headersOf: Record<string, Record<string, string>> = { none: {} };

beforeAll(async () => {
  redis = createRedis(testServers().redisUrl, logger, { name: 'matrix' });
  await waitForRedis(redis, logger);
  simulator = await new Simulator({ rooms: [{ uniqueId: 'mine' }, { uniqueId: 'another' }] }).start();
  const redisPrefix = `matrix-${randomUUID()}`;
  signer = await startSigner({
    mode: 'production',
    redisPrefix,
    signTokenSecret: 'a secret of more than thirty-two characters',
    signProviders: ['simulator'],
    tiktokWebUrl: simulator.url,
    tiktokWebcastUrl: simulator.url,
    tiktokSocketUrl: simulator.socketUrl,
    // One address sends all the wrong keys.
    wrongKeysPerMinute: 1_000_000,
  });
  await makeCallers(new KeyProjection(redis, redisPrefix));
  routes = signerRoutes('mine', simulator.room('mine')?.roomId ?? '');
  cases = Object.entries(routes).flatMap(([route, expected]): [string, Case][] => {
    const [method = '', pattern = ''] = route.split(' ');
    if (method !== 'ALL') return [[route, { ...expected, method, pattern }]];
    return METHODS.map((one) => [`${one} ${pattern}`, { ...expected, method: one, pattern }]);
  });
  withHeads = cases.flatMap(([name, one]): [string, Case][] => {
    const head: [string, Case] = [name.replace('GET', 'HEAD'), { ...one, method: 'HEAD' }];
    return one.method === 'GET' ? [[name, one], head] : [[name, one]];
  });
});
afterAll(async () => {
  await signer?.stop();
  await simulator?.stop();
  redis?.disconnect();
});

/** Keys as the api writes them for the signer, and tokens made of them. */
async function makeCallers(projection: KeyProjection): Promise<void> {
  const keys = Object.fromEntries(['revoked', 'expired', 'limited', ...SCOPES].map((name) => [name, newKey()]));
  const record = (name: string): KeyRecord => ({
    id: `key_${name}`,
    name,
    scopes: SCOPES.includes(name as never) ? [name as KeyRecord['scopes'][number]] : ['sign'],
    ...(name === 'expired' ? { expiresAt: Date.now() - 1_000 } : {}),
    ...(name === 'limited' ? { restriction: { creators: ['cr_another'] }, handles: ['another'] } : {}),
  });
  const write = (names: string[]) => projection.write(new Map(names.map((name) => [hashKey(keys[name]!), record(name)])), randomUUID());
  for (const [name, key] of [['bad', newKey()], ...Object.entries(keys)] as const) headersOf[name] = { 'x-api-key': key };
  await write(Object.keys(keys));
  await waitFor(async () => (await ask(`${signer.url}/webcast/rate_limits`, 'GET', headersOf.revoked)).status === 200, {
    what: 'the keys',
  });
  const mint = async (caller: string, expiresInSeconds: number) => {
    const { text } = await ask(`${signer.url}/v1/tokens`, 'POST', headersOf[caller], { expiresInSeconds });
    return { 'x-jwt-key': (JSON.parse(text) as { token: string }).token };
  };
  headersOf.token = await mint('sign', 600);
  headersOf['token of limited'] = await mint('limited', 600);
  headersOf['token of revoked'] = await mint('revoked', 600);
  headersOf['expired token'] = await mint('sign', 1);
  await write(Object.keys(keys).filter((name) => name !== 'revoked'));
  for (const caller of ['revoked', 'token of revoked', 'expired token'])
    await waitFor(async () => (await ask(`${signer.url}/webcast/rate_limits`, 'GET', headersOf[caller])).status === 401, { what: caller });
}

/** Asks until the key could be checked: a Redis that answers too late is a 503, which says to try again. */
const askChecked = (...request: Parameters<typeof ask>): Promise<Answer> =>
  waitFor(
    async () => {
      const answer = await ask(...request);
      return answer.status === 503 ? undefined : answer;
    },
    { what: 'the key to be checked' },
  );

/** The status; with the reason where the answer has a body that says one. */
const wordOf = ({ status, code }: Answer) => (code === undefined ? String(status) : `${status} ${code}`);

describe('the routes of the signer', () => {
  it('are those that this table declares, each GET with its HEAD, and there is no door beside them', () => {
    const served = (signer.app.getHttpAdapter() as unknown as HttpAdapter).routeTable.list();
    const plain = served.filter(({ pattern }) => !pattern.includes('*')).map(({ method, pattern }) => `${method} ${pattern}`);
    const catching = [...new Set(served.filter(({ pattern }) => pattern.includes('*')).map(({ pattern }) => `ALL ${pattern}`))];
    const heads = Object.keys(routes).flatMap((name) => (name.startsWith('GET') ? [name.replace('GET', 'HEAD')] : []));
    expect([...plain, ...catching].sort()).toEqual([...Object.keys(routes), ...heads].sort());
    expect(signer.app.getHttpServer().listenerCount('upgrade')).toBe(0);
  });
});

describe('who is let in by the signer', () => {
  const WRONG = ['none', 'bad', 'revoked', 'expired', 'token of revoked', 'expired token'];
  const FORBIDDEN = '403 forbidden';
  const expectedOf = ({ needs, own, limited = own, token }: Case, caller: string): string => {
    if (needs === 'nothing') return own;
    if (WRONG.includes(caller)) return '401 unauthorized';
    if (caller === 'admin') return own;
    if (needs === 'admin') return FORBIDDEN;
    if (caller === 'limited') return limited;
    if (caller === 'token of limited') return token ?? limited;
    if (caller === 'token') return token ?? own;
    return caller === 'sign' ? own : FORBIDDEN;
  };

  it('on every route and method, is whoever has a key or token in force that may do this, and nobody else', async () => {
    const callers = [...WRONG, ...SCOPES, 'limited', 'token', 'token of limited'];
    // What was made once is answered from memory, by a shorter way.
    expect((await ask(signer.url + routes['GET /webcast/rooms/:room_id/connect']!.path, 'GET', headersOf.sign)).status).toBe(200);
    const cells = await fill(withHeads, callers, async ({ method, path, body }, caller) =>
      wordOf(await askChecked(signer.url + path, method, headersOf[caller], body)),
    );
    print('Signer: what each caller gets', cells);
    const word = (route: Case, caller: string) => {
      const expected = expectedOf(route, caller);
      return route.method === 'HEAD' ? expected.split(' ')[0]! : expected;
    };
    const expected: Cells = Object.fromEntries(
      withHeads.map(([name, route]) => [name, Object.fromEntries(callers.map((caller) => [caller, word(route, caller)]))]),
    );
    expect(cells).toEqual(expected);
  });

  it('learns by OPTIONS what a path takes, and nothing about other origins', async () => {
    const declared = withHeads.filter(([, { pattern }]) => !pattern.includes('*'));
    for (const [name, { pattern, path }] of declared) {
      const methods = declared.flatMap(([, route]) => (route.pattern === pattern ? [route.method] : [])).sort();
      const allow = [...methods, 'OPTIONS'].join(', ');
      const page = { origin: 'https://page.example', 'access-control-request-method': 'GET' };
      const options = await ask(signer.url + path, 'OPTIONS', page);
      expect([name, options.status, options.headers.get('allow')]).toEqual([name, 204, allow]);
      expect([...options.headers.keys()].filter((header) => header.startsWith('access-control-'))).toEqual([]);
      const refused = await ask(signer.url + path, 'PUT', headersOf.sign);
      expect([name, refused.status, refused.headers.get('allow')]).toEqual([name, 405, allow]);
    }
  });
});
