import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PortTaken } from './cli-error.mjs';
import { redisBinaryDir } from './project.mjs';
import { findRedis } from './redis-binary.mjs';
import { answers, freePort, ServerProcess } from './server-process.mjs';

/**
 * Starts a private Redis on 127.0.0.1 with its data in `dir`. Nothing is ever evicted (`noeviction`).
 * @type {import('./index.d.mts').startRedis}
 */
export async function startRedis(options) {
  const { dir, password, appendonly = 'everysec', maxmemory, hooks = {} } = options;
  const binary = await findRedis(redisBinaryDir, options);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const configFile = join(dir, 'redis.conf');
  const configure = (/** @type {number} */ port) =>
    writeFileSync(
      configFile,
      [
        'bind 127.0.0.1',
        `port ${port}`,
        'daemonize no',
        `dir ${JSON.stringify(dir)}`,
        'maxmemory-policy noeviction',
        `maxmemory ${maxmemory ?? 0}`,
        `appendonly ${appendonly === 'no' ? 'no' : 'yes'}`,
        // The append-only file is the data; a dump beside it would only slow the shutdown.
        'save ""',
        ...(appendonly === 'no' ? [] : [`appendfsync ${appendonly}`]),
        ...(password ? [`requirepass ${password}`] : []),
        ...(options.settings ?? []),
        '',
      ].join('\n'),
      { mode: 0o600 },
    );
  const greeting = password ? `AUTH ${password}\r\nPING\r\n` : 'PING\r\n';
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (await freePort());
    configure(port);
    const logFile = options.logFile ?? join(dir, 'redis.log');
    const server = new ServerProcess({
      name: 'Redis',
      command: binary.command,
      args: () => [configFile],
      env: { ...process.env, ...binary.env },
      logFile,
      // Each start begins a new log, and Redis writes this line only once the port is its own.
      listens: () => readFileSync(logFile, 'utf8').includes('Ready to accept connections'),
      // While it loads its file it answers -LOADING.
      answers: () => answers(port, greeting, '+PONG'),
      startMsMax: 60_000,
      stage: 9,
      stopSignal: 'SIGTERM',
      stopMsMax: 2_500,
      onStart: hooks.onStart,
      signal: options.signal,
    });
    try {
      await server.start();
      return Object.assign(server, { port, dir, url: `redis://${password ? `:${password}@` : ''}127.0.0.1:${port}` });
    } catch (error) {
      if (!(error instanceof PortTaken) || options.port !== undefined || attempt === 5) throw error;
    }
  }
}
