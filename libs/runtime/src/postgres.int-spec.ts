import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createDatabase, waitFor } from '@tributary/testing';
import type pg from 'pg';
import type { Logger } from './logging.js';
import { createPool } from './postgres.js';

const quiet = { trace() {}, debug() {}, info() {}, warn() {}, error() {} } as unknown as Logger;

let database: Awaited<ReturnType<typeof createDatabase>>;
let pool: pg.Pool;

beforeAll(async () => {
  database = await createDatabase();
  pool = createPool(database.url, quiet, { name: 'test', max: 2 });
});

afterAll(async () => {
  await pool.end();
  await database.drop();
});

describe('a pool', () => {
  it('outlives the loss of a connection that is checked out between two queries, and replaces it', async () => {
    const client = await pool.connect();
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
    const lost = new Promise<void>((resolve) => client.once('end', resolve));
    await pool.query('select pg_terminate_backend($1)', [rows[0]?.pid]);
    await lost;
    await expect(client.query('select 1')).rejects.toThrow();
    client.release();
    await waitFor(async () => (await pool.query<{ one: number }>('select 1 as one')).rows[0]?.one === 1);
    expect(pool.totalCount).toBeLessThanOrEqual(2);
  });
});
