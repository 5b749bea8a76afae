import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createDatabase, startProxy, waitFor } from '@tributary/testing';
import type pg from 'pg';
import type { Logger } from '../process/logging.js';
import { createPool } from './postgres.js';
import { allowLong, DeadlineClient } from './postgres-client.js';

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

  it('keeps the connection of a statement that is slow: the server ends it in time', async () => {
    const client = await pool.connect();
    try {
      const pid = async () => (await client.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]?.pid;
      const before = await pid();
      await client.query('begin');
      await allowLong(client, 200);
      await expect(client.query('select pg_sleep(5)')).rejects.toMatchObject({ code: '57014' });
      await client.query('rollback');
      expect(await pid()).toBe(before);
    } finally {
      client.release();
    }
  });

  it('keeps a connection that goes from one waiting query to the next for longer than one may take', async () => {
    const busy = createPool(database.url, quiet, { name: 'busy', max: 1 });
    busy.on('acquire', (client) => {
      if (client instanceof DeadlineClient) client.allow(300, 0);
    });
    try {
      const pids = new Set<number>();
      const until = performance.now() + 1_200;
      // Several at a time, so that one always waits for the connection.
      const ask = async () => {
        while (performance.now() < until) {
          const { rows } = await busy.query<{ pid: number }>('select pg_backend_pid() as pid, pg_sleep(0.02)');
          pids.add(rows[0]!.pid);
        }
      };
      await Promise.all([ask(), ask(), ask()]);
      expect(pids.size).toBe(1);
    } finally {
      await busy.end();
    }
  });

  it('gives up an attempt to connect to a peer that stays unresponsive', async () => {
    const proxy = await startProxy(database.url);
    const other = createPool(proxy.url, quiet, { name: 'unresponsive', max: 2 });
    try {
      proxy.freeze();
      await expect(other.query('select 1')).rejects.toThrow(/time/);
      proxy.heal();
      await expect(other.query('select 1')).resolves.toMatchObject({ rowCount: 1 });
    } finally {
      await other.end();
      await proxy.close();
    }
  });

  it('lets the server end the transaction of a client that vanished, so that its locks are free', async () => {
    await pool.query('create table locked (n int)');
    await pool.query('insert into locked values (1)');
    const proxy = await startProxy(database.url);
    const other = createPool(proxy.url, quiet, { name: 'vanished', max: 1 });
    const client = await other.connect();
    try {
      await client.query('begin');
      await client.query('update locked set n = 2');
      proxy.strand();
      await expect(pool.query('update locked set n = 3')).resolves.toMatchObject({ rowCount: 1 });
    } finally {
      client.release(new Error('vanished'));
      await proxy.close();
    }
  });
});
