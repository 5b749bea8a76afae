import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
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

/** Where `npm start` keeps its data, and where a Redis is unpacked when the system has none. */
export const dataDir = join(root, '.tributary');
export const redisBinaryDir = join(dataDir, 'redis-bin');
