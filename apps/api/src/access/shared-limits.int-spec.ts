import { afterEach, describe, expect, it } from '@jest/globals';
import { createDatabase, startRedis, waitFor } from '@tributary/testing';
import { ApiUnderTest, type ProblemBody } from '../testing/api-under-test.js';

const undo: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

/** Two api processes of one system. */
async function startTwo(config: Parameters<typeof ApiUnderTest.start>[0]): Promise<[ApiUnderTest, ApiUnderTest]> {
  const database = await createDatabase();
  const shared = { ...database, drop: () => Promise.resolve() };
  undo.push(() => database.drop());
  const apis: ApiUnderTest[] = [];
  for (const roles of [['http', 'store'], ['http']]) {
    const api = await ApiUnderTest.start({ ...config, database: shared, config: { ...config?.config, apiRoles: roles } });
    undo.push(() => api.stop());
    apis.push(api);
  }
  return apis as [ApiUnderTest, ApiUnderTest];
}

const many = <T>(count: number, make: (i: number) => Promise<T>) => Promise.all(Array.from({ length: count }, (_, i) => make(i)));

describe('two api processes', () => {
  it('count the requests of a key together', async () => {
    const [one, other] = await startTwo({ config: { apiRatePerMinute: 40 } });
    const key = await one.key('read');
    await waitFor(async () => (await other.call('GET', '/v1/me', { key })).status === 200);
    const answers = await many(120, (i) => (i % 2 ? one : other).call<ProblemBody>('GET', '/v1/me', { key }));
    const allowed = answers.filter(({ status }) => status === 200).length;
    // A token comes back every 1.5 s while they run.
    expect(allowed).toBeGreaterThanOrEqual(38);
    expect(allowed).toBeLessThan(60);
    const refused = answers.find(({ status }) => status === 429)!;
    expect(refused.body.code).toBe('rate-limited');
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await other.call('GET', '/v1/me')).status).toBe(200);
  });

  it('count the open streams of a key together, and give a place back with each that ends', async () => {
    const [one, other] = await startTwo({ config: { streamsPerKeyMax: 3 } });
    const key = await one.key('read');
    await waitFor(async () => (await other.call('GET', '/v1/me', { key })).status === 200);
    const open = [await one.stream('', { key }), await other.stream('', { key }), await one.stream('', { key })];
    expect(open.map(({ response }) => response.status)).toEqual([200, 200, 200]);
    const refused = await other.stream('', { key });
    expect(refused.response.status).toBe(429);
    open[0]!.close();
    await waitFor(async () => {
      const again = await other.stream('', { key });
      const isOpen = again.response.status === 200;
      if (isOpen) open.push(again);
      return isOpen;
    });
    for (const reader of open) reader.close();
  });

  it('slow an address that guesses keys together, and let the keys that are in use there go on', async () => {
    const [one, other] = await startTwo({ config: { wrongKeysPerMinute: 10 } });
    const key = await one.key('read');
    await waitFor(async () => (await other.call('GET', '/v1/me', { key })).status === 200);
    const guesses = await many(300, (i) => (i % 2 ? one : other).call<ProblemBody>('GET', '/v1/events', { key: `trib_guess${i}` }));
    const codes = guesses.map(({ body }) => body.code);
    expect(codes.filter((code) => code === 'unauthorized').length).toBeLessThanOrEqual(12);
    expect(new Set(codes)).toEqual(new Set(['unauthorized', 'rate-limited']));
    const slowed = guesses.find(({ status }) => status === 429)!;
    expect(slowed.body.detail).toContain('too many wrong keys came from this address');
    expect(Number(slowed.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await one.call('GET', '/v1/me', { key })).status).toBe(200);
    expect((await other.call('GET', '/v1/me', { key })).status).toBe(200);
    const metrics = (await one.call<string>('GET', '/metrics', { key: null })).body;
    expect(metrics).toMatch(/tributary_wrong_keys_total\{result="slowed"[^}]*\} \d+/);
  });
});

describe('guesses at keys of the api', () => {
  it('are slowed together, whichever route they are tried at: sign-in of the dashboard, live streams, exports, changes', async () => {
    const perMinute = 10;
    const api = await ApiUnderTest.start({ config: { wrongKeysPerMinute: perMinute } });
    undo.push(() => api.stop());
    const doors: [method: string, path: string, body?: object][] = [
      ['GET', '/v1/me'],
      ['GET', '/v1/stream'],
      ['GET', '/v1/events/export'],
      ['GET', '/v1/status'],
      ['POST', '/v1/creators', { uniqueId: 'tester' }],
      ['POST', '/v1/keys', { name: 'mine', scopes: ['admin'] }],
      ['GET', '/v1/webhooks'],
      ['DELETE', '/v1/keys/key_1'],
    ];
    const knock = (door: number, key: string) => {
      const [method, path, body] = doors[door % doors.length]!;
      // Every second one as the other header.
      const own = door % 2 ? { key: null, headers: { 'x-api-key': key } } : { key };
      return api.call<ProblemBody>(method, path, { ...own, ...(body ? { body } : {}) });
    };
    const answers = await many(20 * doors.length, (i) => knock(i, `trib_guess${i}`));
    const refused = answers.filter(({ status }) => status === 401).length;
    expect(refused).toBeGreaterThan(0);
    // One more may come each 6 s.
    expect(refused).toBeLessThanOrEqual(perMinute + 3);
    const slowed = answers.filter(({ status }) => status === 429);
    expect(slowed.length + refused).toBe(answers.length);
    for (const { headers } of slowed) expect(Number(headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    for (let door = 0; door < doors.length; door++) expect((await knock(door, 'trib_another')).body.code).toBe('rate-limited');
    // The page itself holds no key and judges none; so do the health routes.
    for (const path of ['/', '/healthz', '/readyz']) expect((await api.call('GET', path, { key: null })).status).toBe(200);
  });
});

describe('the address of a caller', () => {
  it('is that of the socket, and what a trusted proxy says, so that clients behind it are told apart', async () => {
    const guess = (api: ApiUnderTest, from: string, i: number) =>
      api.call('GET', '/v1/events', { key: `trib_guess${from.replaceAll(/\W/g, '')}${i}`, headers: { 'x-forwarded-for': from } });
    const plain = await ApiUnderTest.start({ config: { wrongKeysPerMinute: 5 } });
    undo.push(() => plain.stop());
    // Whoever may write the header could otherwise be somebody else with each request.
    const spoofed = await many(30, (i) => guess(plain, `203.0.113.${i}`, i));
    expect(spoofed.filter(({ status }) => status === 429).length).toBeGreaterThan(20);

    const behind = await ApiUnderTest.start({ config: { wrongKeysPerMinute: 5 }, http: { trustedProxies: ['127.0.0.0/8'] } });
    undo.push(() => behind.stop());
    const attacked = await many(30, (i) => guess(behind, '203.0.113.7', i));
    expect(attacked.filter(({ status }) => status === 429).length).toBeGreaterThan(20);
    expect((await guess(behind, '203.0.113.8', 1)).status).toBe(401);
    const right = { headers: { 'x-forwarded-for': '203.0.113.9' } };
    expect((await behind.call('GET', '/v1/me', right)).status).toBe(200);
    // Only the proxy's own word counts: what the client wrote before it does not.
    expect((await guess(behind, '198.51.100.1, 203.0.113.7', 99)).status).toBe(429);
  });
});

describe('an api whose Redis is away', () => {
  it('still limits keys and guesses, by itself', async () => {
    const server = await startRedis({ appendonly: 'no' });
    undo.push(() => server.remove());
    const api = await ApiUnderTest.start({ config: { apiRatePerMinute: 20, wrongKeysPerMinute: 5 }, redisUrl: server.url });
    undo.push(() => api.stop());
    const key = await api.key('read');
    await server.stop();
    const answers = await many(60, () => api.call('GET', '/v1/me', { key }));
    const allowed = answers.filter(({ status }) => status === 200).length;
    expect(allowed).toBeGreaterThanOrEqual(20);
    expect(allowed).toBeLessThan(40);
    const guesses = await many(40, (i) => api.call('GET', '/v1/events', { key: `trib_guess${i}` }));
    expect(guesses.filter(({ status }) => status === 401).length).toBeLessThanOrEqual(7);
  });
});
