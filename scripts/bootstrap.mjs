import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runStep } from './run-step.mjs';
import { withLock } from './lock.mjs';
import { CliError } from './servers/cli-error.mjs';
import { cloneDir, root } from './servers/project.mjs';
import { seconds } from './terminal.mjs';

const INSTALL_BYTES_MIN = 900 * 1024 ** 2;
const SOURCES = [
  'apps',
  'libs',
  'bench',
  'test/faults',
  'test/fuzz',
  'scripts/servers',
  'nest-cli.json',
  'tsconfig.json',
  '.swcrc',
  'package-lock.json',
];

/**
 * Makes the project ready to run: installs packages and builds, each only when what it depends on has changed.
 * Several commands on one fresh clone wait for each other.
 * @param {(text: string) => void} say
 * @param {{ build?: boolean, signal?: AbortSignal }} [options]
 */
export async function bootstrap(say, { build = true, signal } = {}) {
  mkdirSync(cloneDir, { recursive: true });
  if (isInstalled() && (!build || isBuilt())) return;
  const steps = async () => {
    if (!isInstalled()) await install(say, signal);
    if (build && !isBuilt()) await buildAll(say, signal);
  };
  await withLock(join(cloneDir, 'setup.lock'), say, steps, signal);
}

const installMarker = join(root, 'node_modules/.tributary-installed');
const buildMarker = join(root, 'dist/.tributary-built');

function installKey() {
  const lock = readFileSync(join(root, 'package-lock.json'));
  return `${createHash('sha256').update(lock).digest('hex')} ${process.platform}-${process.arch} abi ${process.versions.modules}`;
}

function isInstalled() {
  const marker = readOr(installMarker);
  const key = installKey();
  if (marker === key) return true;
  const otherSystem = marker !== undefined && marker.slice(64) !== key.slice(64);
  if (otherSystem || !holdsLockedVersions()) return false;
  writeFileSync(installMarker, key);
  return true;
}

/** Whether somebody's own `npm ci` or `npm install`, which npm records at its end, put exactly the locked versions there. */
function holdsLockedVersions() {
  const installed = readOr(join(root, 'node_modules/.package-lock.json'));
  if (installed === undefined) return false;
  const there = JSON.parse(installed).packages;
  const locked = Object.entries(JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages);
  const needed = locked.filter(([path, entry]) => path !== '' && !entry.optional && !entry.devOptional && !entry.peer);
  return needed.every(([path, entry]) => there[path]?.version === entry.version);
}

/**
 * @param {(text: string) => void} say
 * @param {AbortSignal} [signal]
 */
async function install(say, signal) {
  const { bavail, bsize } = statfsSync(root);
  if (bavail * bsize < INSTALL_BYTES_MIN && !existsSync(join(root, 'node_modules')))
    throw new CliError(
      `the disk of ${root} has ${Math.floor((bavail * bsize) / 1024 ** 2)} MiB free, and the packages need about ${INSTALL_BYTES_MIN / 1024 ** 2} MiB.`,
    );
  say('Installing packages with npm ci (about half a minute on a first run)');
  const began = Date.now();
  // npm names its own program when it runs us; otherwise the one on PATH.
  const npm = process.env.npm_execpath ? [process.execPath, process.env.npm_execpath] : ['npm'];
  const args = [...npm.slice(1), 'ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'];
  await runStep({ title: 'Installing packages', command: npm[0], args, logFile: join(cloneDir, 'logs/install.log'), signal });
  writeFileSync(installMarker, installKey());
  say(`Packages are installed (${seconds(Date.now() - began)})`);
}

function sourcesKey() {
  const hash = createHash('sha256');
  const add = (/** @type {string} */ path) => {
    const full = join(root, path);
    if (existsSync(full)) hash.update(path).update('\0').update(readFileSync(full)).update('\0');
  };
  for (const source of SOURCES) {
    if (/\.\w+$/.test(source)) add(source);
    else for (const path of filesIn(source)) if (!/\.(int-|e2e-|live-)?spec\.ts$/.test(path)) add(path);
  }
  return hash.digest('hex');
}

/**
 * @param {string} folder relative to the project
 * @returns {string[]}
 */
function filesIn(folder) {
  const full = join(root, folder);
  if (!existsSync(full)) return [];
  const paths = readdirSync(full, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return paths.map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1)).sort();
}

function isBuilt() {
  return readOr(buildMarker) === sourcesKey();
}

/**
 * @param {(text: string) => void} say
 * @param {AbortSignal} [signal]
 */
async function buildAll(say, signal) {
  say('Building');
  const began = Date.now();
  const key = sourcesKey();
  const nest = join(root, 'node_modules/@nestjs/cli/bin/nest.js');
  await runStep({
    title: 'The build',
    command: process.execPath,
    args: [nest, 'build', 'api'],
    logFile: join(cloneDir, 'logs/build.log'),
    signal,
  });
  writeFileSync(buildMarker, key);
  say(`Built (${seconds(Date.now() - began)})`);
}

/** @param {string} path */
function readOr(path) {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
}
