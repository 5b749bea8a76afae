import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { writePrivate } from './private-file.mjs';

/** @typedef {{ id: string, path: string }} Place */

const FILE = 'place.json';

/**
 * Makes sure that a data folder is what it says it is. A copied folder names processes, a lock and ports of the folder
 * it was copied from: they are dropped, or a start of the copy would stop or join the original.
 * @param {string} dir the data folder
 * @param {{ lock: string, records: string, postgres: string }} paths what a copy must not keep
 * @returns {string | undefined} the folder that this one was copied from; undefined when it is no copy
 */
export function settlePlace(dir, paths) {
  const path = realpathSync(dir);
  const recorded = readPlace(dir);
  if (recorded?.path === path) return undefined;
  // The folder that was recorded first is gone: this one was moved, and what it names is its own.
  const copied = recorded !== undefined && readPlace(recorded.path)?.id === recorded.id;
  writePrivate(join(dir, FILE), JSON.stringify({ id: copied || !recorded ? randomUUID() : recorded.id, path }));
  if (!copied) return undefined;
  for (const file of [paths.lock, paths.records, join(paths.postgres, 'postmaster.pid')]) rmSync(file, { recursive: true, force: true });
  return recorded.path;
}

/**
 * @param {string} dir
 * @returns {Place | undefined} undefined where there is none, as in a folder of an earlier version
 */
function readPlace(dir) {
  const file = join(dir, FILE);
  if (!existsSync(file)) return undefined;
  try {
    const { id, path } = JSON.parse(readFileSync(file, 'utf8'));
    return typeof id === 'string' && typeof path === 'string' ? { id, path } : undefined;
  } catch {
    return undefined; // cut short: it is written anew
  }
}
