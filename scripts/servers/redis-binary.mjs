import { execFile } from 'node:child_process';
import { accessSync, constants, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { CliError } from './cli-error.mjs';

const run = promisify(execFile);
const VERSION_MIN = 7;
const PACKAGES = ['redis-server', 'redis-tools', 'libjemalloc2', 'liblzf1'];

/**
 * Finds a Redis server program: on PATH, else the one unpacked in `folder`, else Debian's packages are downloaded
 * and unpacked there as an ordinary user, nothing being installed on the system.
 * @param {string} folder
 * @param {{ say?: (text: string) => void, signal?: AbortSignal }} options
 * @returns {Promise<import('./index.d.mts').RedisBinary>}
 */
export async function findRedis(folder, { say = () => {}, signal } = {}) {
  for (const name of ['redis-server', 'valkey-server']) {
    const command = onPath(name);
    if (command && (await suits(command, {}))) return { command, env: {} };
  }
  const unpacked = unpackedRedis(folder);
  if (unpacked && (await suits(unpacked.command, unpacked.env))) return unpacked;
  if (onPath('apt-get') && onPath('dpkg')) {
    say('No Redis on PATH: downloading it from your apt sources into the project folder (nothing is installed on the system)');
    const reason = await download(folder, signal);
    const found = unpackedRedis(folder);
    if (found && (await suits(found.command, found.env))) return found;
    throw missing(`apt-get could not provide one (${reason ?? 'the downloaded program does not run here'})`);
  }
  throw missing('there is none on PATH');
}

/** @param {string} why */
const missing = (why) =>
  new CliError(
    `No Redis ${VERSION_MIN} or newer: ${why}. Install it with "apt install redis-server" or "brew install redis", ` +
      'or run "docker run -d -p 127.0.0.1:6379:6379 redis:7" and set REDIS_URL=redis://127.0.0.1:6379.',
  );

/** @param {string} name */
export function onPath(name) {
  for (const folder of (process.env.PATH ?? '').split(delimiter).filter(Boolean)) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // not in this folder
    }
  }
  return undefined;
}

/**
 * @param {string} command
 * @param {Record<string, string>} env
 */
async function suits(command, env) {
  try {
    const { stdout } = await run(command, ['--version'], { env: { ...process.env, ...env }, timeout: 10_000 });
    return Number(/v=(\d+)/.exec(stdout)?.[1] ?? 0) >= VERSION_MIN;
  } catch {
    return false;
  }
}

/**
 * @param {string} folder
 * @returns {import('./index.d.mts').RedisBinary | undefined}
 */
function unpackedRedis(folder) {
  const command = join(folder, 'usr/bin/redis-server');
  const libraries = join(folder, 'usr/lib');
  if (!existsSync(command) || !existsSync(libraries)) return undefined;
  const path = readdirSync(libraries).map((name) => join(libraries, name));
  return { command, env: { LD_LIBRARY_PATH: path.join(delimiter) } };
}

/**
 * @param {string} folder
 * @param {AbortSignal} [signal]
 * @returns {Promise<string | undefined>} why it failed
 */
async function download(folder, signal) {
  mkdirSync(join(folder, '..'), { recursive: true });
  const work = mkdtempSync(`${folder}-`);
  for (const path of ['lists/partial', 'cache/archives/partial', 'root']) mkdirSync(join(work, path), { recursive: true });
  const settings = [`Dir::State::lists=${work}/lists`, `Dir::Cache=${work}/cache`, 'APT::Sandbox::User=', 'Acquire::Retries=2'];
  const apt = (/** @type {string[]} */ ...args) =>
    run('apt-get', [...settings.flatMap((setting) => ['-o', setting]), '-qq', ...args], { cwd: work, timeout: 180_000, signal });
  try {
    await apt('update');
    await apt('download', ...PACKAGES);
    for (const name of readdirSync(work).filter((file) => file.endsWith('.deb')))
      await run('dpkg', ['-x', join(work, name), join(work, 'root')]);
    rmSync(folder, { recursive: true, force: true });
    renameSync(join(work, 'root'), folder);
    return undefined;
  } catch (error) {
    const { stderr, message } = /** @type {Error & { stderr?: string }} */ (error);
    return (stderr || message).trim().split('\n').at(-1);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
