import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import { CliError, PortTaken } from '../servers/cli-error.mjs';
import { root } from '../servers/project.mjs';
import { seconds } from '../terminal.mjs';
import { AppProcess } from './app-process.mjs';
import { Client } from './client.mjs';
import { paths, readSecrets, recordProcess, writeSecrets } from './folder.mjs';
import { printLine } from './log-lines.mjs';
import { writePrivate } from './private-file.mjs';
import { processEnv } from './settings.mjs';

/** Stages of a stop, and the time each process gets: 10 s together with the 2.5 s of the servers. @type {Record<string, { stage: number, stopMsMax: number }>} */
const STOPS = {
  ingest: { stage: 0, stopMsMax: 4_000 },
  signer: { stage: 1, stopMsMax: 1_500 },
  simulator: { stage: 1, stopMsMax: 1_500 },
  api: { stage: 2, stopMsMax: 2_000 },
};
const SERVER_RESTART_MS = { first: 500, max: 15_000 };

/** @typedef {import('../servers/index.d.mts').PrivateServer} Server */

/** The private servers and the processes of one start, in the order in which they depend on each other. */
export class Stack {
  /** @type {Server[]} */
  servers = [];
  /** @type {Map<string, AppProcess>} */
  apps = new Map();
  /** @type {NodeJS.ProcessEnv} */
  env = {};

  /**
   * @param {import('./settings.mjs').Settings} settings
   * @param {{ say: (text: string) => void, signal: AbortSignal }} context
   */
  constructor(settings, { say, signal }) {
    this.settings = settings;
    this.say = say;
    this.signal = signal;
  }

  /** Starts a private Redis and PostgreSQL where the environment names none, and gives the environment of all processes. */
  async startServers() {
    // Only now are the packages there that these modules need.
    const { startPostgres, startRedis } = await import('../servers/index.mjs');
    const { say } = this;
    const secrets = readSecrets();
    const hooks = { onStart: recordProcess };
    let { REDIS_URL: redisUrl, DATABASE_URL: databaseUrl } = process.env;
    const begin = async (/** @type {(port?: number) => Promise<Server>} */ start, /** @type {number} */ port) => {
      const server = await start(port || undefined).catch((error) => {
        // The port of last time belongs to somebody else by now.
        if (port && error instanceof PortTaken) return start();
        throw error;
      });
      this.servers.push(server);
      this.#keepUp(server);
      return server;
    };
    if (!redisUrl) {
      const { password, port } = secrets.redis;
      const settings = {
        dir: paths.redis,
        logFile: join(paths.logs, 'redis.log'),
        password,
        maxmemory: '512mb',
        say,
        hooks,
        signal: this.signal,
      };
      const server = await begin((at) => startRedis({ ...settings, port: at }), port);
      [redisUrl, secrets.redis.port] = [server.url, server.port];
    }
    this.signal.throwIfAborted();
    if (!databaseUrl) {
      if (!existsSync(paths.postgres)) say('Making a private database');
      const { password, port } = secrets.postgres;
      const settings = {
        dir: paths.postgres,
        logFile: join(paths.logs, 'postgres.log'),
        password,
        database: 'tributary',
        say,
        hooks,
        signal: this.signal,
      };
      const server = await begin((at) => startPostgres({ ...settings, port: at }), port);
      [databaseUrl, secrets.postgres.port] = [server.url, server.port];
    }
    writeSecrets(secrets);
    this.env = processEnv(this.settings, {
      redisUrl,
      databaseUrl,
      keys: { webhooks: secrets.webhooks.key, creators: secrets.creators.key, simulator: secrets.simulator.key },
      spoolDir: paths.spool,
      env: process.env,
    });
  }

  /** @param {Server} server */
  #keepUp(server) {
    server.onCrash = (how) => void this.#revive(server, how);
  }

  /**
   * Starts a crashed server again; its clients reconnect by themselves.
   * @param {Server} server
   * @param {string} how it ended
   */
  async #revive(server, how) {
    let why = how.startsWith('SIG') ? how : `${how}: ${server.lastWords()}`;
    for (let delayMs = SERVER_RESTART_MS.first; !this.signal.aborted; delayMs = Math.min(delayMs * 2, SERVER_RESTART_MS.max)) {
      this.say(`${server.name} ended by itself (${why}); starting it again in ${seconds(delayMs)}`);
      await wait(delayMs, undefined, { signal: this.signal }).catch(() => {});
      if (this.signal.aborted) return;
      try {
        await server.start();
        this.say(`${server.name} is back`);
        return;
      } catch (error) {
        if (!(error instanceof CliError)) throw error;
        why = error.message;
      }
    }
  }

  /** Brings the database to this version and makes sure of an API key. @returns {Promise<Client>} */
  async prepare() {
    await this.#admin('migrate');
    let key = existsSync(paths.apiKey) ? readFileSync(paths.apiKey, 'utf8').trim() : '';
    if (!key) key = await this.#createKey();
    // Ingest may use it too: `admin` holds the scope `sign`.
    this.env.SIGNER_KEY ||= key;
    return new Client(this.settings.address('api'), key);
  }

  /** Replaces a key that this database does not know (its folder or DATABASE_URL has changed). @param {Client} client */
  async renewKey(client) {
    if ((await client.ask('GET', '/v1/creators?limit=1')).status !== 401) return;
    this.say('The key in .tributary/api-key is not of this database: a new one is made');
    if (this.env.SIGNER_KEY === client.key) this.env.SIGNER_KEY = '';
    client.key = await this.#createKey();
    this.env.SIGNER_KEY ||= client.key;
  }

  async #createKey() {
    const { key } = JSON.parse(await this.#admin('create-key', 'npm start', 'admin'));
    writePrivate(paths.apiKey, `${key}\n`);
    return /** @type {string} */ (key);
  }

  /** @param {string[]} args */
  async #admin(...args) {
    try {
      const { stdout } = await promisify(execFile)(process.execPath, ['dist/apps/api/src/admin.js', ...args], {
        cwd: root,
        env: this.env,
        signal: this.signal,
        timeout: 120_000,
      });
      return stdout;
    } catch (error) {
      const { stderr, message } = /** @type {Error & { stderr?: string }} */ (error);
      const line = (stderr || message).split('\n').find((text) => /\S/.test(text) && !/^\s+at /.test(text)) ?? message;
      throw new CliError(`the database could not be prepared (admin ${args[0]}): ${line.trim()}`);
    }
  }

  /** Starts one process and waits until it is ready. @param {import('./settings.mjs').App} name */
  async startApp(name) {
    this.signal.throwIfAborted();
    const app = new AppProcess({
      name,
      readyUrl: `${this.settings.address(name)}${name === 'simulator' ? '/healthz' : '/readyz'}`,
      env: this.env,
      signal: this.signal,
      ...STOPS[name],
    });
    this.apps.set(name, app);
    await app.start();
  }

  /** Stops everything, those first that others do not need; within 10 s. */
  async stop() {
    for (const stage of [0, 1, 2]) {
      await Promise.all([...this.apps].filter(([name]) => STOPS[name].stage === stage).map(([, app]) => app.stop()));
    }
    await Promise.all(this.servers.map((server) => server.stop()));
  }

  /** Kills everything at once. */
  async kill() {
    for (const app of this.apps.values()) app.kill();
    await Promise.all(this.servers.map((server) => server.kill9()));
  }
}

/** @param {string} text */
export const say = (text) => printLine('tributary', text);
