import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ownedData, waitFor } from '@tributary/testing';
import { ApiUnderTest } from './testing/api-under-test.js';

let api: ApiUnderTest;
beforeAll(async () => {
  api = await ApiUnderTest.start({ config: { webhookSecretKey: Buffer.alloc(32, 7).toString('base64') } });
});
afterAll(() => api.stop());

/** The keys of whole processes are looked at in test/pipeline.e2e-spec.ts. */
describe('everything that is stored has an owner that removes it', () => {
  it('each table of PostgreSQL', async () => {
    const { rows } = await api.pool.query<{ name: string }>(
      `select relname as name from pg_class where relkind in ('r', 'p') and not relispartition and relnamespace = 'public'::regnamespace`,
    );
    const { tables } = ownedData();
    expect(rows.length).toBeGreaterThan(15);
    expect(rows.map(({ name }) => name).filter((name) => !tables.has(name))).toEqual([]);
  });

  it('each key of Redis that the api writes', async () => {
    const { redisPrefix } = api.config;
    await api.call('POST', '/v1/creators', { body: { uniqueId: 'somebody' } });
    const keys = await waitFor(
      async () => {
        const found = (await api.redis.keys('*')).filter((key) => key.startsWith(`${redisPrefix}:`) || key.startsWith(`{${redisPrefix}-`));
        return found.some((key) => key.endsWith(':creators')) ? found : undefined;
      },
      { what: 'the copy of creators' },
    );
    const { isOwnedKey } = ownedData();
    expect(keys.filter((key) => !isOwnedKey(key, redisPrefix))).toEqual([]);
    expect(isOwnedKey(`${redisPrefix}:nobody`, redisPrefix)).toBe(false);
  });
});
