import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import {
  type PostgresOptions,
  type PrivateServer,
  type RedisOptions,
  startPostgres as startPostgresIn,
  startRedis as startRedisIn,
  temporaryFolder,
} from '../../../../scripts/servers/index.mjs';

const run = promisify(execFile);

export { nodeFlags, type PrivateServer } from '../../../../scripts/servers/index.mjs';

interface Place {
  /** Existing folder for its data, which is kept, such as a small file system; a temporary one when missing. */
  within?: string;
}

/** A server of one suite alone, with `kill9`, `restart`, `sigstop`; `remove` stops it and deletes its folder. */
export type SuiteServer = PrivateServer & { remove(): Promise<void> };

/**
 * Starts a Redis of this suite's own, for tests that kill, flush or freeze it. Appends are flushed each second
 * unless `appendonly` says otherwise. It ends with this process at the latest.
 */
export function startRedis({ within, ...options }: Omit<RedisOptions, 'dir'> & Place = {}): Promise<SuiteServer> {
  return inFolder('redis', within, (dir) => startRedisIn({ ...options, dir }));
}

/**
 * Starts a PostgreSQL of this suite's own; `durable: false` (the default here) leaves fsync out. With `copyOf` it begins with
 * a copy of that data folder, such as a base backup.
 */
export function startPostgres({
  copyOf,
  within,
  ...options
}: Omit<PostgresOptions, 'dir'> & Place & { copyOf?: string } = {}): Promise<SuiteServer> {
  return inFolder('postgres', within, async (dir) => {
    if (copyOf !== undefined) await run('cp', ['-a', copyOf, dir]);
    return startPostgresIn({ durable: false, ...options, dir });
  });
}

async function inFolder(name: string, within: string | undefined, start: (dir: string) => Promise<PrivateServer>): Promise<SuiteServer> {
  const folder = within === undefined ? temporaryFolder(name) : { path: within, remove: () => undefined };
  try {
    const server = await start(join(folder.path, name));
    return Object.assign(server, {
      remove: async () => {
        server.sigcont();
        await server.stop();
        folder.remove();
      },
    });
  } catch (error) {
    folder.remove();
    throw error;
  }
}

/** The shared test servers that jest's global set-up made. @throws when it did not run. */
export function testServers(): { redisUrl: string; databaseUrl: string } {
  const redisUrl = process.env.TRIBUTARY_TEST_REDIS_URL;
  const databaseUrl = process.env.TRIBUTARY_TEST_DATABASE_URL;
  if (!redisUrl || !databaseUrl)
    throw new Error('the test servers are made by test/global-setup.mjs: run the suite with "npm test -- PATH"');
  return { redisUrl, databaseUrl };
}

/** Makes an empty database of this suite's own on the shared test server. `drop` disconnects who is still in it. */
export async function createDatabase(serverUrl = testServers().databaseUrl): Promise<{ url: string; name: string; drop(): Promise<void> }> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  await runOn(serverUrl, `create database ${name}`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return { url: url.href, name, drop: () => runOn(serverUrl, `drop database if exists ${name} with (force)`) };
}

async function runOn(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
