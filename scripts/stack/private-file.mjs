import { renameSync, writeFileSync } from 'node:fs';

/**
 * Writes a file that only this user can read. It appears whole or not at all, and an older one with a wider mode is replaced.
 * @param {string} path
 * @param {string} text
 */
export function writePrivate(path, text) {
  const part = `${path}.${process.pid}.part`;
  writeFileSync(part, text, { mode: 0o600 });
  renameSync(part, path);
}
