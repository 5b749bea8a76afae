import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { createPool } from '@tributary/runtime';
import { createDatabase } from '@tributary/testing';
import { schemaBefore } from '../../testing/schema-before.js';
import { migrate } from './migrate.js';

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined, trace: () => undefined, debug: () => undefined };
let database: Awaited<ReturnType<typeof createDatabase>>;
let pool: ReturnType<typeof createPool>;
beforeAll(async () => {
  database = await createDatabase();
  await migrate(database.url);
  pool = createPool(database.url, silent, { name: 'spec', max: 2 });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

it('endpoints of before belong to the key that made them, and to the operator where that is an administrator, was revoked or is not known', async () => {
  await schemaBefore(database.url, '0012_webhook_owners');
  await pool.query(`insert into api_keys (id, hash, name, scopes, revoked_at) values
    ('key_plain', '1', 'n', '{webhooks:write}', null), ('key_admin', '2', 'n', '{admin}', null), ('key_revoked', '3', 'n', '{webhooks:write,read}', now())`);
  for (const key of ['key_plain', 'key_admin', 'key_revoked', 'key_forgotten']) {
    await pool.query(
      `insert into webhook_endpoints (id, key_id, url, ordered, max_in_flight, timeout_ms, signatures, sealed)
       values ('wh_of_' || $1, $1, 'https://example.com', false, 1, 1000, '{v1}', '')`,
      [key],
    );
  }
  expect(await migrate(database.url)).toContain('0012_webhook_owners');
  const { rows } = await pool.query<{ id: string; owner: string | null }>('select id, key_id as owner from webhook_endpoints order by id');
  expect(Object.fromEntries(rows.map(({ id, owner }) => [id, owner]))).toEqual({
    wh_of_key_admin: null,
    wh_of_key_forgotten: null,
    wh_of_key_plain: 'key_plain',
    wh_of_key_revoked: null,
  });
});
