import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createDatabase, startPostgres, startRedis, type SuiteServer, waitFor } from '@tributary/testing';
import { ApiUnderTest, draft, type ProblemBody } from './testing/api-under-test.js';

describe('outages', () => {
  let redis: SuiteServer;
  let postgres: SuiteServer;
  let api: ApiUnderTest;
  beforeAll(async () => {
    [redis, postgres] = await Promise.all([startRedis(), startPostgres()]);
    api = await ApiUnderTest.start({ redisUrl: redis.url, database: await createDatabase(postgres.url) });
    await api.call('POST', '/v1/creators', { body: { uniqueId: 'tester' } });
  });
  afterAll(async () => {
    await api.stop();
    await Promise.all([redis.remove(), postgres.remove()]);
  });

  const status = async () => (await api.call<Record<string, { ok: boolean; reason?: string }>>('GET', '/v1/status')).body;

  it('goes on answering from PostgreSQL while Redis is away, and shows it', async () => {
    const reader = await api.stream();
    await reader.next();
    await redis.stop();
    await waitFor(async () => !(await status()).redis!.ok, { what: 'Redis to be shown as away' });
    expect((await status()).postgres!.ok).toBe(true);
    const creators = await api.call<{ data: { state: string | null }[] }>('GET', '/v1/creators');
    expect({ status: creators.status, state: creators.body.data[0]!.state }).toEqual({ status: 200, state: null });
    expect((await api.call<ProblemBody>('GET', '/v1/creators?state=live')).status).toBe(503);
    const event = draft();
    await api.commit([event]);
    expect((await reader.events(1))[0]!.id).toBe(event.id);
    expect((await api.call('POST', '/v1/creators', { body: { uniqueId: 'added.meanwhile' } })).status).toBe(201);

    await redis.restart();
    await waitFor(async () => (await status()).redis!.ok, { what: 'Redis to be shown as back' });
    reader.close();
  });

  it('stops while Redis is away', async () => {
    const own = await startRedis({ appendonly: 'no' });
    const stopping = await ApiUnderTest.start({ redisUrl: own.url });
    await own.stop();
    // The client of the feed has lost its server, and waits for it.
    await waitFor(async () => !(await stopping.call<{ redis: { ok: boolean } }>('GET', '/v1/status')).body.redis.ok);
    await stopping.stop();
    await own.remove();
  });

  it('answers 503 with Retry-After while PostgreSQL is away, keeps its keys and its live readers, and recovers', async () => {
    const reader = await api.stream();
    await reader.next();
    await postgres.stop();
    await waitFor(async () => (await api.call('GET', '/v1/events')).status === 503, { what: '503' });
    const answer = await api.call<ProblemBody>('POST', '/v1/creators', { body: { uniqueId: 'somebody' } });
    expect(answer).toMatchObject({ status: 503, body: { code: 'unavailable', type: '/problems/unavailable' } });
    expect(answer.headers.get('retry-after')).toBe('2');
    await waitFor(async () => !(await status()).postgres!.ok, { what: 'PostgreSQL to be shown as away' });
    expect((await api.call('GET', '/v1/events', { key: 'trib_unknown' })).status).toBe(401);

    expect((await api.call('GET', '/readyz')).status).toBe(503);

    await postgres.restart();
    await waitFor(async () => (await api.call('GET', '/v1/events')).status === 200, { what: 'recovery' });
    const event = draft();
    await api.commit([event]);
    expect((await reader.events(1))[0]!.id).toBe(event.id);
    reader.close();
  });
});
