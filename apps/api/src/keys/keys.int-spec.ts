import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { hashKey, KeyProjection } from '@tributary/runtime';
import { waitFor } from '@tributary/testing';
import { migrate } from '../store/schema/migrate.js';
import { ApiUnderTest, draft, type ProblemBody } from '../testing/api-under-test.js';

interface Key {
  id: string;
  key: string;
  name: string;
  scopes: string[];
  creators: { id: string; uniqueId: string | null }[] | null;
  expiresAt: string | null;
}

let api: ApiUnderTest;
let luna: string;
const inMs = (ms: number) => new Date(Date.now() + ms).toISOString();
const make = (body: object) => api.call<Key & ProblemBody>('POST', '/v1/keys', { body: { name: 'n', scopes: ['read'], ...body } });
const statusOf = async (key: string, path = '/v1/events') => (await api.call('GET', path, { key })).status;

beforeAll(async () => {
  api = await ApiUnderTest.start();
  luna = (await api.call<{ id: string }>('POST', '/v1/creators', { body: { uniqueId: 'luna' } })).body.id;
});
afterAll(() => api.stop());

describe('limits of a key', () => {
  it('are shown when it is made, in the list, and to itself', async () => {
    const expiresAt = inMs(3_600_000);
    const { status, body } = await make({ scopes: ['read', 'sign'], creators: ['@LUNA', luna], expiresAt });
    const shown = { name: 'n', scopes: ['read', 'sign'], creators: [{ id: luna, uniqueId: 'luna' }], expiresAt };
    expect([status, body]).toEqual([201, expect.objectContaining(shown)]);
    const listed = (await api.call<{ data: Key[] }>('GET', '/v1/keys')).body.data.find(({ id }) => id === body.id);
    expect(listed).toMatchObject(shown);
    const me = await api.call<Record<string, unknown>>('GET', '/v1/me', { key: body.key });
    expect(me.body).toMatchObject({ ...shown, id: body.id, limits: { requestsPerMinute: api.config.apiRatePerMinute, streams: 50 } });
    expect(me.body).not.toHaveProperty('key');
  });

  it('are none for a key that names none, and `GET /v1/me` is for every scope', async () => {
    for (const scope of ['read', 'creators:write', 'webhooks:read', 'webhooks:write', 'sign', 'admin'] as const) {
      const me = await api.call<Key>('GET', '/v1/me', { key: await api.key(scope) });
      expect([me.status, me.body]).toEqual([200, expect.objectContaining({ scopes: [scope], creators: null, expiresAt: null })]);
    }
    expect((await api.call('GET', '/v1/me', { key: null })).status).toBe(401);
  });

  it.each([
    [{ creators: null }, 'creators'],
    [{ creators: [] }, 'creators'],
    [{ creators: 'luna' }, 'creators'],
    [{ creators: [1] }, 'creators'],
    [{ creators: [['luna']] }, 'creators'],
    [{ creators: ['luna', 'nobody'] }, 'creators'],
    [{ creators: { luna: true } }, 'creators'],
    [{ creator: ['luna'] }, 'creator'],
    [{ groups: ['all'] }, 'groups'],
    [{ creators: ['luna'], scopes: ['admin'] }, 'creators'],
    [{ expiresAt: null }, 'expiresAt'],
    [{ expiresAt: 'tomorrow' }, 'expiresAt'],
    [{ expiresAt: 1_800_000_000 }, 'expiresAt'],
    [{ expiresAt: '2026-01-01T00:00:00Z' }, 'expiresAt'],
    [{ expires_at: '2030-01-01T00:00:00Z' }, 'expires_at'],
  ])('are refused where they are malformed, and never pass for none: %j', async (body, field) => {
    const answer = await make(body);
    expect([answer.status, answer.body.errors?.map((error) => error.field)]).toEqual([400, [field]]);
  });

  it('do not reach who had the handle before', async () => {
    const before = (await api.call<{ id: string }>('POST', '/v1/creators', { body: { uniqueId: 'handed.on' } })).body.id;
    await api.pool.query(`update creators set unique_id = 'renamed' where id = $1`, [before]);
    const since = (await api.call<{ id: string }>('POST', '/v1/creators', { body: { uniqueId: 'handed.on' } })).body.id;
    expect((await make({ creators: ['handed.on'] })).body.creators).toEqual([{ id: since, uniqueId: 'handed.on' }]);
  });

  it('end it with its time, and with it what was open', async () => {
    const { body } = await make({ expiresAt: inMs(1_500) });
    expect(await statusOf(body.key)).toBe(200);
    const reader = await api.stream('', { key: body.key });
    await reader.next();
    const closed = await reader.next();
    expect(Date.now() - Date.parse(body.expiresAt!)).toBeLessThan(2_000);
    expect(closed).toMatchObject({ event: 'closed', data: { reason: 'revoked' } });
    expect(await statusOf(body.key)).toBe(401);
    expect((await api.call<{ data: Key[] }>('GET', '/v1/keys')).body.data.some(({ id }) => id === body.id)).toBe(false);
  });

  it('end an export that is under way, and free its place', async () => {
    const text = 'word '.repeat(2_000);
    for (let i = 0; i < 10; i++) await api.commit(Array.from({ length: 200 }, () => draft({ data: { comment: text, more: text } })));
    const { id, key } = await api.makeKey(['read']);
    const { port, hostname } = new URL(api.url);
    const socket = connect(Number(port), hostname);
    let closed = false;
    socket.on('error', () => undefined).on('close', () => (closed = true));
    // Read no further than its head, so that it cannot come to its end by itself.
    const began = new Promise<void>((resolve) => socket.once('data', () => resolve(void socket.pause())));
    socket.write(`GET /v1/events/export HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${key}\r\n\r\n`);
    await began;
    const running = async () =>
      /^tributary_exports_running\S* (\d+)/m.exec((await api.call<string>('GET', '/metrics', { key: null })).body)?.[1];
    expect(await running()).toBe('1');
    await api.call('DELETE', `/v1/keys/${id}`);
    await waitFor(async () => (await running()) === '0', { what: 'the export to end', timeoutMs: 2_000 });
    socket.resume();
    await waitFor(() => closed, { what: 'its connection to close' });
  });

  it('make a key that expires no last administrator', async () => {
    await make({ scopes: ['admin'], expiresAt: inMs(60_000) });
    const lasting = (await api.call<{ data: Key[] }>('GET', '/v1/keys')).body.data.filter(
      ({ scopes, expiresAt }) => scopes.includes('admin') && expiresAt === null,
    );
    for (const { id } of lasting.filter(({ name }) => name !== 'test')) await api.call('DELETE', `/v1/keys/${id}`);
    const own = lasting.find(({ name }) => name === 'test')!;
    expect((await api.call('DELETE', `/v1/keys/${own.id}`)).status).toBe(409);
  });

  it('let a version that does not know them do nothing with the key', async () => {
    const limited = [await make({ creators: ['luna'] }), await make({ expiresAt: inMs(60_000) })].map(({ body }) => body.id);
    const { rows } = await api.pool.query<{ scopes: string[] }>('select scopes from api_keys where id = any($1)', [limited]);
    expect(rows.map(({ scopes }) => scopes)).toEqual([[], []]);
  });

  it.each([
    ['a member of a later version', { creators: ['cr_1'], groups: ['g'] }],
    ['another shape', { creators: 'cr_1' }],
    ['nothing', {}],
  ])('refuse the key where the database holds %s', async (_, restriction) => {
    const { body } = await make({ creators: ['luna'] });
    expect(await statusOf(body.key)).toBe(200);
    await api.pool.query('update api_keys set restriction = $2 where id = $1', [body.id, JSON.stringify(restriction)]);
    await api.pool.query(`update projection_versions set version = version + 1 where name = 'keys'`);
    await waitFor(async () => (await statusOf(body.key)) === 401, { timeoutMs: 2_000 });
    const copy = new KeyProjection(api.redis, api.config.redisPrefix);
    await waitFor(async () => (await copy.lookup(hashKey(body.key))).record === undefined, { timeoutMs: 2_000 });
    expect((await api.call('GET', '/v1/keys')).status).toBe(200);
  });
});

describe('the copy of the keys', () => {
  it('has the present handles of the creators that a key is limited to', async () => {
    const copy = new KeyProjection(api.redis, api.config.redisPrefix);
    const { body } = await make({ scopes: ['sign'], creators: ['luna'] });
    const handles = async () => (await copy.lookup(hashKey(body.key))).record?.handles;
    await waitFor(async () => (await handles())?.join() === 'luna', { timeoutMs: 2_000 });
    await api.call('DELETE', '/v1/creators/luna');
    await waitFor(async () => (await handles())?.length === 0, { timeoutMs: 2_000 });
    await api.call('POST', '/v1/creators', { body: { uniqueId: 'luna' } });
    await waitFor(async () => (await handles())?.join() === 'luna', { timeoutMs: 2_000 });
  });
});

it('keys of a version before keep what they may do', async () => {
  const { key, id } = await api.makeKey(['read']);
  expect(await migrate(api.config.databaseUrl)).toEqual([]);
  const { rows } = await api.pool.query<object>('select scopes, granted, restriction, expires_at from api_keys where id = $1', [id]);
  expect(rows).toEqual([{ scopes: ['read'], granted: null, restriction: null, expires_at: null }]);
  expect(await statusOf(key)).toBe(200);
});
