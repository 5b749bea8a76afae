import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project's folder, found from a source or from its copy in dist. */
export const root = (() => {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    if (folder === dirname(folder)) throw new Error('no package.json above the scripts');
    folder = dirname(folder);
  }
  return folder;
})();

/** What belongs to the clone and not to its data: logs of its set-up, a Redis unpacked where the system has none. */
export const cloneDir = join(root, '.tributary');
export const redisBinaryDir = join(cloneDir, 'redis-bin');

/** Where `npm start` keeps its data: keys, databases, the lock. */
export const dataDir = process.env.TRIBUTARY_DATA_DIR ? resolve(process.env.TRIBUTARY_DATA_DIR) : cloneDir;

/**
 * How Node is told to run an app. What a delivery needs lives for milliseconds: with room for more of it (MiB, for each of three
 * parts), less is copied before it dies. In moderate rooms workers lose by it.
 * @param {string} app `api`, `signer` or `ingest`
 */
export const nodeFlags = (app) => (app === 'api' ? ['--max-semi-space-size=128'] : []);
