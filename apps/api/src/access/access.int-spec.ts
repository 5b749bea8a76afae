import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitFor } from '@tributary/testing';
import { ApiUnderTest, type ProblemBody } from '../testing/api-under-test.js';

describe('access', () => {
  let api: ApiUnderTest;
  beforeAll(async () => {
    api = await ApiUnderTest.start();
  });
  afterAll(() => api.stop());

  it('refuses every route of the API without a key, and tells how to send one', async () => {
    for (const path of ['/v1/creators', '/v1/events', '/v1/events/export', '/v1/sessions', '/v1/stream', '/v1/status', '/v1/keys']) {
      const answer = await api.call<ProblemBody>('GET', path, { key: null });
      expect({ path, status: answer.status }).toEqual({ path, status: 401 });
      expect(answer.headers.get('content-type')).toContain('application/problem+json');
      expect(answer.headers.get('www-authenticate')).toContain('Bearer');
      expect(answer.body.detail).toContain('Authorization: Bearer');
    }
  });

  it('serves health, documentation and dashboard without a key', async () => {
    for (const path of ['/healthz', '/readyz', '/metrics', '/openapi.json', '/docs', '/']) {
      expect({ path, status: (await api.call('GET', path, { key: null })).status }).toEqual({ path, status: 200 });
    }
  });

  it('takes a key from either header and never from the URL', async () => {
    expect((await api.call('GET', '/v1/status', { key: null, headers: { 'x-api-key': api.adminKey } })).status).toBe(200);
    expect((await api.call('GET', '/v1/status', { key: null, headers: { authorization: `bearer ${api.adminKey}` } })).status).toBe(200);
    for (const name of ['key', 'apiKey', 'api_key', 'access_token']) {
      expect((await api.call('GET', `/v1/status?${name}=${api.adminKey}`, { key: null })).status).toBe(401);
    }
  });

  it('lets a key do what its scopes say and nothing more', async () => {
    const read = await api.key('read');
    expect((await api.call('GET', '/v1/creators', { key: read })).status).toBe(200);
    const refused = await api.call<ProblemBody & { neededScope: string }>('POST', '/v1/creators', {
      key: read,
      body: { uniqueId: 'somebody' },
    });
    expect(refused.status).toBe(403);
    expect(refused.body.neededScope).toBe('creators:write');
    expect((await api.call('GET', '/v1/keys', { key: read })).status).toBe(403);

    const write = await api.key('creators:write');
    expect((await api.call('POST', '/v1/creators', { key: write, body: { uniqueId: 'somebody' } })).status).toBe(201);
    expect((await api.call('GET', '/v1/events', { key: write })).status).toBe(403);
  });

  it('shows a key once, stores only its hash, and refuses it from its revocation on', async () => {
    const made = await api.call<{ id: string; key: string }>('POST', '/v1/keys', { body: { name: 'overlay', scopes: ['read', 'read'] } });
    expect(made.status).toBe(201);
    expect(made.body.key).toMatch(/^trib_[0-9A-Za-z]{32}$/);
    const listed = await api.call<{ data: { id: string; scopes: string[] }[]; next: null }>('GET', '/v1/keys');
    expect(listed.body.data.find(({ id }) => id === made.body.id)?.scopes).toEqual(['read']);
    expect(JSON.stringify(listed.body)).not.toContain(made.body.key);
    const { rows } = await api.pool.query<{ hash: string }>('select * from api_keys');
    expect(JSON.stringify(rows)).not.toContain(made.body.key);

    expect((await api.call('GET', '/v1/events', { key: made.body.key })).status).toBe(200);
    expect((await api.call('DELETE', `/v1/keys/${made.body.id}`)).status).toBe(204);
    expect((await api.call('GET', '/v1/events', { key: made.body.key })).status).toBe(401);
    expect((await api.call('DELETE', `/v1/keys/${made.body.id}`)).status).toBe(404);
  });

  it('refuses a key that another process revoked within seconds', async () => {
    const made = await api.call<{ id: string; key: string }>('POST', '/v1/keys', { body: { name: 'short', scopes: ['read'] } });
    expect((await api.call('GET', '/v1/events', { key: made.body.key })).status).toBe(200);
    await api.pool.query(`update api_keys set revoked_at = now() where id = $1`, [made.body.id]);
    await api.pool.query(`update projection_versions set version = version + 1 where name = 'keys'`);
    await waitFor(async () => (await api.call('GET', '/v1/events', { key: made.body.key })).status === 401, { timeoutMs: 6_000 });
  });

  it('keeps the last key that can make keys', async () => {
    const { body } = await api.call<{ data: { id: string; scopes: string[] }[] }>('GET', '/v1/keys');
    const admin = body.data.find(({ scopes }) => scopes.includes('admin'))!;
    expect((await api.call('DELETE', `/v1/keys/${admin.id}`)).status).toBe(409);
  });

  it('answers what it does not know, or cannot read, as problem+json', async () => {
    const cases: [string, string, { body?: string; headers?: Record<string, string> }, number][] = [
      ['GET', '/v1/nothing', {}, 404],
      ['GET', '/v1/creators/%00', {}, 400],
      ['POST', '/v1/keys', { body: '{"name":"a\\u0000b","scopes":["read"]}', headers: { 'content-type': 'application/json' } }, 400],
      ['POST', '/v1/keys', { body: 'x'.repeat(1_100_000), headers: { 'content-type': 'application/json' } }, 413],
      ['POST', '/v1/keys', { body: '<a/>', headers: { 'content-type': 'application/xml' } }, 415],
      ['POST', '/v1/keys', { body: '[]', headers: { 'content-type': 'application/json' } }, 400],
      ['POST', '/v1/keys', {}, 400],
    ];
    for (const [method, path, init, status] of cases) {
      const response = await fetch(api.url + path, { method, ...init, headers: { ...init.headers, 'x-api-key': api.adminKey } });
      expect({ path, status: response.status, type: response.headers.get('content-type') }).toEqual({
        path,
        status,
        type: 'application/problem+json; charset=utf-8',
      });
    }
  });

  it('names each bad field of a new key', async () => {
    const answer = await api.call<ProblemBody>('POST', '/v1/keys', { body: { name: '', scopes: ['read', 'write'], colour: 'red' } });
    expect(answer.status).toBe(400);
    expect(answer.body.errors?.map(({ field }) => field).sort()).toEqual(['colour', 'name', 'scopes']);
  });
});

describe('rate limit', () => {
  let api: ApiUnderTest;
  beforeAll(async () => {
    api = await ApiUnderTest.start({ config: { apiRatePerMinute: 30 } });
  });
  afterAll(() => api.stop());

  it('answers 429 with Retry-After to the key that asks too often, and to no other', async () => {
    const [one, other] = [await api.key('read'), await api.key('read')];
    const call = () => api.call<ProblemBody>('GET', '/v1/events', { key: one });
    const { headers } = await call();
    expect([headers.get('ratelimit-limit'), headers.get('ratelimit-remaining')]).toEqual(['30', '29']);
    // A share comes back every 2 s: so many at once are too many on a machine of any speed.
    const answers = await Promise.all(Array.from({ length: 90 }, call));
    const refused = answers.find(({ status }) => status === 429);
    expect(refused?.body.code).toBe('rate-limited');
    expect(Number(refused?.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await api.call('GET', '/v1/events', { key: other })).status).toBe(200);
  });
});
