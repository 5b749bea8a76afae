import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';
import { CliError, PortTaken } from './cli-error.mjs';
import { findPostgres, reachableFolder, serverUser } from './postgres-binary.mjs';
import { freePort, ServerProcess } from './server-process.mjs';

/**
 * Starts a private PostgreSQL on 127.0.0.1 with its data in `dir`, initialised when it is empty.
 * @type {import('./index.d.mts').startPostgres}
 */
export async function startPostgres(options) {
  const { password, database = 'postgres', durable = true, hooks = {}, say = () => {} } = options;
  const ids = serverUser();
  const program = findPostgres(ids);
  const key = createHash('sha256').update(options.dir).digest('hex').slice(0, 12);
  const dir = reachableFolder(options.dir, ids, key, say);
  if (!existsSync(join(dir, 'PG_VERSION'))) initialise(program.initdb, dir, ids, password, durable);
  // Copied by root: the files are root's, and the server runs as another user.
  if (ids.uid !== undefined && statSync(join(dir, 'PG_VERSION')).uid !== ids.uid)
    execFileSync('chown', ['-R', `${ids.uid}:${ids.gid}`, dir]);
  const version = readFileSync(join(dir, 'PG_VERSION'), 'utf8').trim();
  if (version !== String(program.major)) {
    const found = /^\d+$/.test(version)
      ? `is of PostgreSQL ${version}, and this is ${program.major}`
      : 'is damaged (PG_VERSION holds no version)';
    throw new CliError(`the database folder ${dir} ${found}; move it away to begin with an empty one, or set DATABASE_URL`);
  }
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (await freePort());
    const url = (/** @type {string} */ name) => `postgres://postgres${password ? `:${password}` : ''}@127.0.0.1:${port}/${name}`;
    const settings = {
      listen_addresses: '127.0.0.1',
      unix_socket_directories: '',
      ...(durable ? {} : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
      ...options.settings,
    };
    const server = new PostgresProcess({
      name: 'PostgreSQL',
      command: program.postgres,
      args: () => ['-D', dir, '-p', String(port), ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
      ids,
      logFile: options.logFile ?? join(dirname(dir), 'postgres.log'),
      listens: (pid) => postmasterReady(dir, pid),
      answers: () => connects(url('postgres'), dir),
      startMsMax: 60_000,
      stage: 9,
      // SIGINT is its "fast" shutdown: clients are disconnected and everything is written.
      stopSignal: 'SIGINT',
      stopMsMax: 2_500,
      onStart: hooks.onStart,
      signal: options.signal,
    });
    try {
      await server.start();
      await ensureDatabase(url('postgres'), database);
      return Object.assign(server, { port, dir, url: url(database) });
    } catch (error) {
      await server.stop();
      if (!(error instanceof PortTaken) || options.port !== undefined || attempt === 5) throw error;
    }
  }
}

class PostgresProcess extends ServerProcess {
  /** @override */
  async start() {
    for (let attempt = 1; ; attempt++) {
      try {
        return await super.start();
      } catch (error) {
        // After a kill -9 its orphaned backends hold the shared memory for a moment.
        const lingering = error instanceof CliError && /shared memory block|lock file "postmaster.pid"/.test(error.message);
        if (!lingering || attempt === 40) throw error;
        await wait(250);
      }
    }
  }

  /** Freezes the server and all its backends, which are processes of their own. @override */
  sigstop() {
    super.sigstop();
    this.#signalBackends('SIGSTOP');
  }

  /** @override */
  sigcont() {
    this.#signalBackends('SIGCONT');
    super.sigcont();
  }

  /** A backend whose client has just gone may end between the list and the signal. */
  #signalBackends(/** @type {NodeJS.Signals} */ signal) {
    for (const pid of this.#backends()) {
      try {
        process.kill(pid, signal);
      } catch (error) {
        if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'ESRCH') throw error;
      }
    }
  }

  #backends() {
    const { stdout } = spawnSync('ps', ['-A', '-o', 'ppid=,pid='], { encoding: 'utf8' });
    const pairs = stdout.split('\n').map((line) => line.trim().split(/\s+/).map(Number));
    return pairs.filter(([parent]) => parent === this.pid && this.pid > 0).map(([, pid]) => pid);
  }
}

/**
 * @param {string} initdb
 * @param {string} dir
 * @param {import('./index.d.mts').UserIds} ids
 * @param {string | undefined} password
 * @param {boolean} durable
 */
function initialise(initdb, dir, ids, password, durable) {
  if (existsSync(dir) && readdirSync(dir).length > 0) {
    throw new CliError(`the folder ${dir} is not empty and holds no PostgreSQL data; move it away`);
  }
  // Initialised beside its place and moved there, so that an interrupted initdb leaves nothing that looks finished.
  const part = `${dir}.part`;
  const passwordFile = `${dir}.password`;
  rmSync(part, { recursive: true, force: true });
  mkdirSync(part, { recursive: true, mode: 0o700 });
  const own = (/** @type {string} */ path) => ids.uid !== undefined && chownSync(path, ids.uid, ids.gid ?? ids.uid);
  own(part);
  try {
    if (password) {
      writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
      own(passwordFile);
    }
    execFileSync(
      initdb,
      [
        `--pgdata=${part}`,
        '--username=postgres',
        '--encoding=UTF8',
        // The built-in locale sorts and folds case alike on every system.
        '--locale-provider=builtin',
        '--builtin-locale=C.UTF-8',
        '--locale=C',
        ...(password ? ['--auth=scram-sha-256', `--pwfile=${passwordFile}`] : ['--auth=trust']),
        ...(durable ? [] : ['--no-sync']),
      ],
      { ...ids, cwd: part, env: { PATH: process.env.PATH, LC_ALL: 'C' }, stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' },
    );
  } catch (error) {
    rmSync(part, { recursive: true, force: true });
    const { stderr, message } = /** @type {Error & { stderr?: string }} */ (error);
    const line = (stderr || message).split('\n').find((text) => /error|fatal|could not/i.test(text)) ?? message;
    throw new CliError(`a new database could not be made in ${dir}: ${line.trim()}`);
  } finally {
    rmSync(passwordFile, { force: true });
  }
  rmSync(dir, { recursive: true, force: true });
  renameSync(part, dir);
  chmodSync(dir, 0o700);
}

/**
 * Whether the server of `dir` is this process and takes connections: `postmaster.pid` holds its pid (line 1) and state (line 8).
 * @param {string} dir
 * @param {number} pid
 */
function postmasterReady(dir, pid) {
  try {
    const lines = readFileSync(join(dir, 'postmaster.pid'), 'utf8').split('\n');
    return Number(lines[0]) === pid && lines[7]?.trim() === 'ready';
  } catch {
    return false; // not written yet
  }
}

/**
 * @param {string} url
 * @param {string} dir
 */
async function connects(url, dir) {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
  client.on('error', () => {}); // the failed connect says it too
  try {
    await client.connect();
    return true;
  } catch (error) {
    // A refused password is an answer, and no waiting changes it.
    const { code } = /** @type {Error & { code?: string }} */ (error);
    if (code === '28P01')
      throw new CliError(
        `the database in ${dir} has another password than the one recorded for it; move that folder away, or set DATABASE_URL`,
      );
    return false;
  } finally {
    await client.end().catch(() => {});
  }
}

/**
 * @param {string} url
 * @param {string} name
 */
async function ensureDatabase(url, name) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [name]);
    if (rowCount === 0) await client.query(`create database ${pg.escapeIdentifier(name)}`);
  } finally {
    await client.end();
  }
}
