import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { bootstrap } from '../../scripts/bootstrap.mjs';

const dist = new URL('../../dist/', import.meta.url);
const NAME = 'luna.bakes';

/**
 * What an example talks to: the signer at SIGNER_URL and TikTok itself, or a simulator and a signer started for it.
 * @param {{ name?: string, simulated: boolean }} about
 */
export async function openServers({ name, simulated }) {
  await bootstrap((text) => process.stderr.write(`${text}\n`));
  if (!simulated) {
    const signerUrl = process.env.SIGNER_URL ?? 'http://127.0.0.1:3001';
    return { signerUrl, apiKey: process.env.SIGNER_KEY, name: name ?? '', connectorOptions: {}, close: () => Promise.resolve() };
  }
  const [simulatorPort, signerPort] = await freePorts(2);
  const simulatorUrl = `http://127.0.0.1:${simulatorPort}`;
  const signerUrl = `http://127.0.0.1:${signerPort}`;
  const simulator = start('apps/simulator/src/main.js', { SIMULATOR_PORT: String(simulatorPort), SIMULATOR_RATE: '3' });
  const signer = start('apps/signer/src/main.js', {
    SIGNER_PORT: String(signerPort),
    SIGN_PROVIDERS: 'simulator',
    TIKTOK_WEB_URL: simulatorUrl,
    TIKTOK_WEBCAST_URL: simulatorUrl,
  });
  const close = async () => {
    await Promise.all([signer, simulator].map((child) => new Promise((resolve) => (child.once('exit', resolve), child.kill('SIGTERM')))));
  };
  try {
    await Promise.all([ready(simulator, `${simulatorUrl}/healthz`), ready(signer, `${signerUrl}/healthz`)]);
  } catch (error) {
    await close();
    throw error;
  }
  const { connectorOptions } = await import(new URL('libs/testing/src/simulator/client/connector.js', dist).href);
  return { signerUrl, apiKey: undefined, name: name ?? NAME, connectorOptions: connectorOptions(simulatorUrl), close };
}

/** Loads a part of the built project. @param {string} path in dist */
export function built(path) {
  return import(new URL(path, dist).href);
}

/** @param {string} entry @param {NodeJS.ProcessEnv} env */
function start(entry, env) {
  // Nothing of it outlives the example, however that ends.
  /** @type {import('node:child_process').SpawnOptions} */
  const options = {
    env: { PATH: process.env.PATH, LOG_LEVEL: 'silent', REDIS_URL: process.env.REDIS_URL, ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
  };
  const child = spawn(process.execPath, [fileURLToPath(new URL(entry, dist))], options);
  process.once('exit', () => child.kill());
  return child;
}

/** @param {import('node:child_process').ChildProcess} child @param {string} url */
async function ready(child, url) {
  for (let waitedMs = 0; waitedMs < 20_000; waitedMs += 50) {
    if (child.exitCode !== null) throw new Error(`${url} did not start`);
    try {
      if ((await fetch(url)).ok) return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  throw new Error(`${url} is not ready after 20 s`);
}

/** @param {number} count @returns {Promise<number[]>} */
async function freePorts(count) {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
      return server;
    }),
  );
  const ports = servers.map((server) => /** @type {import('node:net').AddressInfo} */ (server.address()).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
