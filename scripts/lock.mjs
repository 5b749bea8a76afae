import { existsSync, linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { processIdentity, stillRuns } from './servers/process-identity.mjs';

/**
 * @typedef {{ pid: number, identity: string } & Record<string, unknown>} LockOwner
 */

/**
 * Takes a lock file for this process. The lock of a dead owner is taken over.
 * @param {string} path
 * @param {Record<string, unknown>} [about] what others should read in it
 * @returns {LockOwner | undefined} the living owner, when somebody else has it
 */
export function takeLock(path, about = {}) {
  const own = `${path}.${process.pid}`;
  writeFileSync(own, JSON.stringify({ pid: process.pid, identity: processIdentity(process.pid), ...about }), { mode: 0o600 });
  try {
    for (;;) {
      try {
        // A link appears whole or not at all, so that nobody reads half a lock.
        linkSync(own, path);
        return undefined;
      } catch (error) {
        if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EEXIST') throw error;
      }
      const owner = readLock(path);
      if (owner && stillRuns(owner)) return owner;
      clearStale(path, own);
    }
  } finally {
    rmSync(own, { force: true });
  }
}

/**
 * Moves a dead owner's lock away. Of several that try, one succeeds; a lock taken in between is put back.
 * @param {string} path
 * @param {string} own
 */
function clearStale(path, own) {
  const aside = `${own}.stale`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'ENOENT') return;
    throw error;
  }
  const moved = readLock(aside);
  if (moved && stillRuns(moved)) linkSync(aside, path);
  rmSync(aside, { force: true });
}

/**
 * @param {string} path
 * @returns {LockOwner | undefined} undefined when there is none, or what is there is no lock
 */
export function readLock(path) {
  if (!existsSync(path)) return undefined;
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

/** @param {string} path */
export function releaseLock(path) {
  if (readLock(path)?.pid === process.pid) rmSync(path, { force: true });
}

/**
 * Does something while holding a lock, waiting for a living owner first.
 * @template T
 * @param {string} path
 * @param {(text: string) => void} say
 * @param {() => Promise<T>} action
 * @param {AbortSignal} [signal] ends the wait
 * @returns {Promise<T>}
 */
export async function withLock(path, say, action, signal) {
  for (let isAnnounced = false; ; await wait(200)) {
    const owner = takeLock(path);
    if (!owner) break;
    if (!isAnnounced) say(`Waiting for another Tributary command (process ${owner.pid}) that is setting up this folder`);
    isAnnounced = true;
    signal?.throwIfAborted();
  }
  try {
    return await action();
  } finally {
    releaseLock(path);
  }
}
