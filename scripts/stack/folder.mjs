import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { readLock, releaseLock, takeLock } from '../lock.mjs';
import { CliError } from '../servers/cli-error.mjs';
import { guard } from '../servers/guard.mjs';
import { stillRuns } from '../servers/process-identity.mjs';
import { dataDir } from '../servers/project.mjs';
import { stopRecorded } from '../servers/stop-recorded.mjs';
import { setTimeout as wait } from 'node:timers/promises';
import { settlePlace } from './place.mjs';
import { writePrivate } from './private-file.mjs';

const FREE_BYTES_MIN = 512 * 1024 ** 2;
const REAPER_MS_MAX = 15_000;

export const paths = {
  lock: join(dataDir, 'lock'),
  records: join(dataDir, 'run'),
  apiKey: join(dataDir, 'api-key'),
  secrets: join(dataDir, 'private.json'),
  creators: join(dataDir, 'creators.json'),
  redis: join(dataDir, 'redis'),
  postgres: join(dataDir, 'postgres'),
  logs: join(dataDir, 'logs'),
  spool: join(dataDir, 'spool'),
};

/**
 * Takes the data folder for this process: makes it, checks that it can be used, and stops what a killed
 * predecessor left running.
 * @param {string} address where the API will be, for whoever tries a second start
 * @param {(text: string) => void} say
 * @throws CliError when another start has it, it is no folder, or the disk is nearly full
 */
export async function openFolder(address, say) {
  if (existsSync(dataDir) && !statSync(dataDir).isDirectory())
    throw new CliError(`${dataDir} is a file, and Tributary keeps its data in a folder of that name; move it away.`);
  mkdirSync(paths.logs, { recursive: true });
  // Passable, not readable: as root, PostgreSQL runs as another user. Every secret in it is closed by its own mode.
  if (process.getuid?.() === statSync(dataDir).uid) chmodSync(dataDir, 0o711);
  const { bavail, bsize } = statfsSync(dataDir);
  if (bavail * bsize < FREE_BYTES_MIN)
    throw new CliError(
      `the disk of ${dataDir} has only ${Math.floor((bavail * bsize) / 1024 ** 2)} MiB free, and at least ${FREE_BYTES_MIN / 1024 ** 2} MiB are needed.`,
    );
  const original = settlePlace(dataDir, paths);
  if (original) {
    say(`This data folder is a copy of ${original}: it goes on with the copied data, on ports of its own`);
    forgetPorts();
  }
  await awaitReaper(readLock(paths.lock));
  const owner = takeLock(paths.lock, { address, reaper: guard.reaper() });
  if (owner)
    throw new CliError(
      `Tributary already runs in this folder (process ${owner.pid}, ${String(owner.address)}); stop it first, or work in another clone.`,
    );
  guard.removeAtDeath(paths.lock);
  await stopOrphans(say);
}

/** Gives the folder back. */
export function closeFolder() {
  rmSync(paths.records, { recursive: true, force: true });
  releaseLock(paths.lock);
  guard.keepAtDeath(paths.lock);
}

/**
 * Lets the orphan reaper of a killed owner finish: it stops the processes in order, and removes the lock at its end.
 * @param {import('../lock.mjs').LockOwner | undefined} owner
 */
async function awaitReaper(owner) {
  const reaper = /** @type {{ pid: number, identity: string } | undefined} */ (owner?.reaper);
  for (let waitedMs = 0; owner && !stillRuns(owner) && reaper && stillRuns(reaper) && waitedMs < REAPER_MS_MAX; waitedMs += 100)
    await wait(100);
}

/** @param {(text: string) => void} say */
async function stopOrphans(say) {
  const stopped = await stopRecorded(readRecords());
  if (stopped.length > 0)
    say(`Stopped what an earlier start left running: ${stopped.map((record) => `${record.name} (${record.pid})`).join(', ')}`);
  rmSync(paths.records, { recursive: true, force: true });
  mkdirSync(paths.records, { recursive: true, mode: 0o700 });
}

/** @returns {import('../servers/index.d.mts').ProcessRecord[]} */
function readRecords() {
  if (!existsSync(paths.records)) return [];
  return readdirSync(paths.records).flatMap((name) => {
    try {
      return [JSON.parse(readFileSync(join(paths.records, name), 'utf8'))];
    } catch {
      return []; // cut short by the kill: the orphan reaper knew of that process
    }
  });
}

/**
 * Writes a process down, so that a later start finds it even when this one and its orphan reaper are killed.
 * @param {import('../servers/index.d.mts').ProcessRecord} record
 */
export function recordProcess(record) {
  writePrivate(join(paths.records, `${record.name.toLowerCase()}.json`), JSON.stringify(record));
}

/**
 * Ports and passwords of the private servers, made once and kept.
 * @returns {{ redis: { port: number, password: string }, postgres: { port: number, password: string }, webhooks: { key: string }, creators: { key: string }, simulator: { key: string } }}
 */
export function readSecrets() {
  if (existsSync(paths.secrets)) {
    try {
      const secrets = JSON.parse(readFileSync(paths.secrets, 'utf8'));
      if (secrets.redis.password && secrets.postgres.password) return { ...newKeys(), ...secrets };
    } catch (error) {
      if (/** @type {NodeJS.ErrnoException} */ (error).code) throw error;
    }
    throw new CliError(
      `${paths.secrets} is damaged, and it holds the passwords of the private servers; restore it, or move ${dataDir} away.`,
    );
  }
  if (existsSync(join(paths.postgres, 'PG_VERSION')))
    throw new CliError(
      `${paths.secrets} is missing, and it holds the password of the database beside it; restore it, or move ${dataDir} away.`,
    );
  const secret = () => randomBytes(18).toString('hex');
  const secrets = { redis: { port: 0, password: secret() }, postgres: { port: 0, password: secret() }, ...newKeys() };
  writeSecrets(secrets);
  return secrets;
}

/**
 * What encrypts the secrets of webhook endpoints and of creators in the database (part of a backup, as the database is),
 * and what the simulator's sessions are made of, so that they are good over a restart, as TikTok's are.
 */
const newKeys = () => ({ webhooks: { key: newKey() }, creators: { key: newKey() }, simulator: { key: newKey() } });
const newKey = () => randomBytes(32).toString('base64');

/** @param {ReturnType<typeof readSecrets>} secrets */
export function writeSecrets(secrets) {
  writePrivate(paths.secrets, `${JSON.stringify(secrets, null, 2)}\n`);
}

/** The servers of a copied folder get ports of their own: those of the original are taken, or will be. */
function forgetPorts() {
  if (!existsSync(paths.secrets)) return;
  const secrets = readSecrets();
  secrets.redis.port = 0;
  secrets.postgres.port = 0;
  writeSecrets(secrets);
}
