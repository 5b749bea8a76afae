import { execFile } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type FaultProxy, startPostgres, startProxy, startRedis, type SuiteServer, waitFor } from '@tributary/testing';
import { Redis } from 'ioredis';
import pg from 'pg';

const run = promisify(execFile);
const SYNCED_MS_MAX = 30_000;

/** A replica that follows its primary through a proxy that can be cut, until it is promoted. */
export interface Follower {
  readonly server: SuiteServer;
  readonly link: FaultProxy;
  /** Promotes it: it accepts writes from now on. */
  promote(): Promise<SuiteServer>;
  /** Removes the server and its proxy: a proxy that stays frozen would keep this process alive. */
  remove(): Promise<void>;
}

/**
 * Copies the data folder of a running PostgreSQL into `into`, as a base backup: started from it, a server has everything up to
 * this moment, the same identity, and the same timeline.
 */
export async function baseBackup(source: SuiteServer, into: string): Promise<string> {
  const client = new pg.Client({ connectionString: source.url });
  await client.connect();
  try {
    await client.query(`select pg_backup_start('faults', true)`);
    await copyLiving(source.dir, into);
    const { rows } = await client.query<{ labelfile: string }>('select labelfile from pg_backup_stop(false)');
    // What was written meanwhile makes the copy consistent.
    await copyLiving(`${join(source.dir, 'pg_wal')}/.`, join(into, 'pg_wal'));
    writeFileSync(join(into, 'backup_label'), rows[0]?.labelfile ?? '');
    for (const name of ['postmaster.pid', 'postmaster.opts']) rmSync(join(into, name), { force: true });
    await run('chown', ['-R', '--reference', source.dir, into]);
  } finally {
    await client.end();
  }
  return into;
}

/** Starts a streaming replica of `primary` from a base backup in `backup`. */
export async function followPostgres(primary: SuiteServer, backup: string): Promise<Follower> {
  const link = await startProxy(primary.url);
  writeFileSync(join(backup, 'standby.signal'), '');
  const server = await startPostgres({
    copyOf: backup,
    settings: { primary_conninfo: `host=127.0.0.1 port=${link.port} user=postgres` },
  });
  await waitFor(async () => (await ask(server, 'select 1 from pg_stat_wal_receiver where status = $1', ['streaming'])).length > 0, {
    timeoutMs: SYNCED_MS_MAX,
    what: 'a replica of PostgreSQL to stream',
  });
  return {
    server,
    link,
    promote: async () => {
      await ask(server, 'select pg_promote(true, 30)');
      await link.close();
      return server;
    },
    remove: () => removeBoth(server, link),
  };
}

/** Starts a Redis that replicates `primary`. */
export async function followRedis(primary: SuiteServer): Promise<Follower> {
  const link = await startProxy(primary.url);
  const server = await startRedis({ appendonly: 'everysec', maxmemory: '1gb', settings: [`replicaof 127.0.0.1 ${link.port}`] });
  const client = new Redis(server.url);
  client.on('error', () => undefined);
  try {
    await waitFor(async () => (await client.info('replication')).includes('master_link_status:up'), {
      timeoutMs: SYNCED_MS_MAX,
      what: 'a replica of Redis to be in step',
    });
  } finally {
    client.disconnect();
  }
  return {
    server,
    link,
    promote: async () => {
      await onRedis(server, (redis) => redis.replicaof('NO', 'ONE'));
      await link.close();
      return server;
    },
    remove: () => removeBoth(server, link),
  };
}

async function removeBoth(server: SuiteServer, link: FaultProxy): Promise<void> {
  await link.close();
  await server.remove();
}

/** Runs something on a connection of its own. */
export async function onRedis<T>(server: SuiteServer, work: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(server.url, { maxRetriesPerRequest: 3 });
  redis.on('error', () => undefined);
  try {
    return await work(redis);
  } finally {
    redis.disconnect();
  }
}

async function ask(server: SuiteServer, sql: string, values: unknown[] = []): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql, values)).rows;
  } finally {
    await client.end();
  }
}

/** Copies files while they are written: those that vanish meanwhile are none that a backup needs. */
async function copyLiving(from: string, to: string): Promise<void> {
  try {
    await run('cp', ['-a', from, to], { env: { ...process.env, LC_ALL: 'C' }, maxBuffer: 16 * 1_048_576 });
  } catch (error) {
    const { stderr = '' } = error as { stderr?: string };
    const lines = stderr.split('\n').filter(Boolean);
    if (lines.length === 0 || lines.some((line) => !line.includes('No such file or directory'))) throw error;
  }
}
