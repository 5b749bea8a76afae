import { createServer } from 'node:net';
import { CliError } from '../servers/cli-error.mjs';
import { freePort } from '../servers/server-process.mjs';

const PORTS = /** @type {const} */ ({
  api: ['API_PORT', 3000],
  signer: ['SIGNER_PORT', 3001],
  ingest: ['INGEST_PORT', 3002],
  simulator: ['SIMULATOR_PORT', 3003],
});

/**
 * @typedef {keyof typeof PORTS} App
 * @typedef {{ handles: string[], simulated: boolean, host: string, ports: Record<string, number>, apps: App[], address: (app: App) => string }} Settings
 */

const USAGE = `npm start                       runs the system with simulated creators; with NODE_ENV=production with none
npm start -- @name1 @name2      runs it with these creators on TikTok
  ports: API_PORT, SIGNER_PORT, INGEST_PORT, SIMULATOR_PORT; servers of yours: REDIS_URL, DATABASE_URL
`;

/** Asked for help: its message is the answer. */
export class Usage extends Error {}

/**
 * What a start is asked to do, from its arguments and the environment.
 * @param {string[]} args names of creators on TikTok; none for the simulator
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<Settings>}
 */
export async function readSettings(args, env) {
  if (args.some((arg) => arg === '--help' || arg === '-h')) throw new Usage(USAGE);
  const option = args.find((arg) => arg.startsWith('-'));
  if (option)
    throw new CliError(`unknown option ${option}; "npm start" runs with simulated creators, "npm start -- @name1 @name2" with real ones.`);
  /** @type {Record<string, number>} */
  const ports = {};
  for (const [app, [name, fallback]] of Object.entries(PORTS)) {
    const text = env[name] || String(fallback);
    if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) throw new CliError(`${name}: expected a port from 0 to 65535, got "${text}".`);
    let port = Number(text);
    while (port === 0 || (text === '0' && Object.values(ports).includes(port))) port = await freePort();
    ports[app] = port;
  }
  const host = env.HOST || '127.0.0.1';
  const reached = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host;
  // Production has no simulator: its creators come by name or by the API.
  const simulated = args.length === 0 && env.NODE_ENV !== 'production';
  return {
    handles: args,
    simulated,
    host,
    ports,
    apps: simulated ? ['simulator', 'signer', 'ingest', 'api'] : ['signer', 'ingest', 'api'],
    address: (app) => `http://${reached}:${ports[app]}`,
  };
}

/**
 * Refuses before anything is started when a port is taken.
 * @param {Settings} settings
 */
export async function checkPorts({ apps, ports, host }) {
  const seen = new Map();
  for (const app of apps) {
    const [name, port] = [PORTS[app][0], ports[app]];
    if (seen.has(port)) throw new CliError(`${name} and ${seen.get(port)} are both ${port}; each needs a port of its own.`);
    seen.set(port, name);
    const code = await tryListen(port, host);
    if (code === 'EADDRINUSE')
      throw new CliError(
        `port ${port} (${name}) is in use on ${host}; stop what listens there, or choose another: ${name}=${port + 100} npm start.`,
      );
    if (code === 'EACCES') throw new CliError(`port ${port} (${name}) is not allowed to this user; choose one above 1023.`);
    if (code) throw new CliError(`HOST=${host} cannot be listened on (${code}); it must be an address of this machine.`);
  }
}

/**
 * @param {number} port
 * @param {string} host
 * @returns {Promise<string | undefined>} the error's code
 */
function tryListen(port, host) {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', (error) => resolve(/** @type {NodeJS.ErrnoException} */ (error).code ?? error.message));
    probe.listen({ port, host, exclusive: true }, () => probe.close(() => resolve(undefined)));
  });
}

/**
 * Environment of every process. In the demo everything that could leave the machine points at the simulator,
 * whatever the caller's environment says.
 * @param {Settings} settings
 * @param {{ redisUrl: string, databaseUrl: string, keys: { webhooks: string, creators: string, simulator: string }, spoolDir: string, env: NodeJS.ProcessEnv }} given
 * @returns {NodeJS.ProcessEnv}
 */
export function processEnv(settings, { redisUrl, databaseUrl, keys, spoolDir, env }) {
  const { ports, host, address } = settings;
  const simulator = address('simulator');
  return {
    ...env,
    HOST: host,
    LOG_FORMAT: 'json',
    REDIS_URL: redisUrl,
    DATABASE_URL: databaseUrl,
    API_PORT: String(ports.api),
    SIGNER_PORT: String(ports.signer),
    INGEST_PORT: String(ports.ingest),
    SIMULATOR_PORT: String(ports.simulator),
    SIGNER_URL: address('signer'),
    WEBHOOK_SECRET_KEY: env.WEBHOOK_SECRET_KEY || keys.webhooks,
    CREATOR_SECRET_KEY: env.CREATOR_SECRET_KEY || keys.creators,
    SPOOL_DIR: env.SPOOL_DIR ?? spoolDir,
    // A first receiver is usually a script on the same machine; production opens nothing by itself.
    WEBHOOK_ALLOW_CIDRS: env.WEBHOOK_ALLOW_CIDRS ?? (env.NODE_ENV === 'production' ? '' : '127.0.0.0/8,::1/128'),
    ...(settings.simulated
      ? {
          SIGN_PROVIDERS: 'simulator',
          SIMULATOR_KEY: env.SIMULATOR_KEY || keys.simulator,
          TIKTOK_WEB_URL: simulator,
          TIKTOK_WEBCAST_URL: simulator,
          TIKTOK_SOCKET_URL: `${simulator.replace(/^http/, 'ws')}/webcast/im/ws_proxy/ws_reuse_supplement/`,
          POLL_MS: env.POLL_MS || '3000',
          POLLS_PER_SECOND: env.POLLS_PER_SECOND || '50',
        }
      : { SIGN_PROVIDERS: env.SIGN_PROVIDERS || 'anonymous,remote' }),
  };
}

/**
 * Hosts outside this machine that a start on real creators talks to.
 * @param {NodeJS.ProcessEnv} env
 * @returns {string[]}
 */
export function contacted(env) {
  const providers = (env.SIGN_PROVIDERS ?? '').split(',').map((name) => name.trim());
  const urls = [env.TIKTOK_WEB_URL || 'https://www.tiktok.com', env.TIKTOK_WEBCAST_URL || 'https://webcast.tiktok.com'];
  if (providers.includes('anonymous')) urls.push(env.TIKTOK_SOCKET_URL || 'wss://webcast-ws.tiktok.com');
  if (providers.includes('remote')) urls.push(env.REMOTE_SIGN_URL || 'https://api.eulerstream.com');
  return [...new Set(urls.map((url) => new URL(url).host))];
}
