import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import pg from 'pg';
import { startProxy } from '../network/fault-proxy.js';
import { createDatabase, startPostgres, startRedis, type SuiteServer, testServers } from './servers.js';
import { waitFor } from '../wait-for.js';

const ends: (() => unknown)[] = [];
afterAll(async () => {
  for (const end of ends.reverse()) await end();
});

function redisAt(url: string): Redis {
  const client = new Redis(url, { retryStrategy: () => 50, maxRetriesPerRequest: null });
  client.on('error', () => {});
  ends.push(() => client.disconnect());
  return client;
}

async function ask(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end().catch(() => {});
  }
}

const keep = (server: SuiteServer): SuiteServer => {
  ends.push(() => server.remove());
  return server;
};

describe('private Redis', () => {
  it('keeps what it flushed over kill -9, on the same port', async () => {
    const server = keep(await startRedis({ appendonly: 'always' }));
    const client = redisAt(server.url);
    await client.set('kept', 'yes');
    const before = server.pid;
    await server.kill9();
    expect(server.pid).toBe(0);
    await server.start();
    expect(server.pid).not.toBe(before);
    expect(await client.get('kept')).toBe('yes');
    expect(await client.config('GET', 'maxmemory-policy')).toEqual(['maxmemory-policy', 'noeviction']);
  });

  it('answers nothing while frozen and everything after', async () => {
    const server = keep(await startRedis({ appendonly: 'no' }));
    const client = redisAt(server.url);
    await client.ping();
    server.sigstop();
    let answered = false;
    const answer = client.ping().then(() => (answered = true));
    await waitFor(() => readFileSync(`/proc/${server.pid}/stat`, 'utf8').includes(') T '), { what: 'the stop' });
    expect(answered).toBe(false);
    server.sigcont();
    await answer;
    expect(answered).toBe(true);
  });

  it('says that it crashed, and not that it was stopped', async () => {
    const server = keep(await startRedis({ appendonly: 'no' }));
    const crashes: string[] = [];
    server.onCrash = (how) => crashes.push(how);
    await server.restart();
    process.kill(server.pid, 'SIGKILL');
    await waitFor(() => crashes.length > 0, { what: 'the crash to be told' });
    expect(crashes).toEqual(['SIGKILL']);
  });
});

describe('private PostgreSQL', () => {
  it('keeps committed rows over kill -9 and a freeze', async () => {
    const server = keep(await startPostgres({ durable: true, database: 'tributary' }));
    await ask(server.url, 'create table t (n int); insert into t values (7)');
    await server.kill9();
    await server.start();
    server.sigstop();
    const rows = ask(server.url, 'select n from t');
    server.sigcont();
    expect(await rows).toEqual([{ n: 7 }]);
  });

  it('gives each suite an empty database and drops it under an open connection', async () => {
    const [one, two] = [await createDatabase(), await createDatabase()];
    expect(one.name).not.toBe(two.name);
    const open = new pg.Client({ connectionString: one.url });
    open.on('error', () => {});
    await open.connect();
    await Promise.all([one.drop(), two.drop()]);
    await expect(ask(one.url, 'select 1')).rejects.toThrow(/does not exist/);
  });
});

describe('fault proxy', () => {
  it('cuts, refuses, freezes and heals between a client and Redis', async () => {
    const proxy = await startProxy(testServers().redisUrl);
    ends.push(() => proxy.close());
    const client = redisAt(proxy.url);
    const key = `proxy-${process.pid}`;
    await client.set(key, '1', 'EX', 60);

    let reconnects = 0;
    client.on('ready', () => reconnects++);
    proxy.cut();
    await waitFor(() => reconnects === 1, { what: 'a reconnect after the cut' });

    proxy.refuse();
    await waitFor(() => client.status !== 'ready', { what: 'the loss' });
    proxy.heal();
    expect(await client.get(key)).toBe('1');

    proxy.freeze();
    let answered = false;
    const answer = client.get(key).then((value) => ((answered = true), value));
    await new Promise((resolve) => setImmediate(resolve));
    expect(answered).toBe(false);
    expect(proxy.connections()).toBe(1);
    proxy.heal();
    expect(await answer).toBe('1');
  });

  it('strands the connections of the moment for good, while new ones work', async () => {
    const proxy = await startProxy(testServers().redisUrl);
    ends.push(() => proxy.close());
    const stranded = redisAt(proxy.url);
    await stranded.ping();
    let answered = false;
    let closed = false;
    stranded.on('close', () => (closed = true));
    proxy.strand();
    const answer = stranded.ping().then(
      () => (answered = true),
      () => undefined,
    );
    expect(await redisAt(proxy.url).ping()).toBe('PONG');
    proxy.heal();
    expect(await redisAt(proxy.url).ping()).toBe('PONG');
    expect([answered, closed, proxy.connections()]).toEqual([false, false, 3]);
    stranded.disconnect();
    await answer;
    expect(answered).toBe(false);
  });

  it('slows a connection to the rate asked for', async () => {
    const proxy = await startProxy(testServers().redisUrl);
    ends.push(() => proxy.close());
    const client = redisAt(proxy.url);
    await client.ping();
    proxy.slow(20_000);
    const began = performance.now();
    expect(await client.echo('x'.repeat(4_000))).toHaveLength(4_000);
    // 4 kB there and back at 20 kB/s.
    expect(performance.now() - began).toBeGreaterThan(300);
  });
});

describe('waitFor', () => {
  it('names what it waited for and the last error', async () => {
    const failing = () => Promise.reject(new Error('not yet'));
    await expect(waitFor(failing, { timeoutMs: 60, what: 'the moon' })).rejects.toThrow('waited 60 ms for the moon: not yet');
  });
});
