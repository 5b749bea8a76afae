import { CliError } from './servers/cli-error.mjs';

const colours = { red: 31, green: 32, yellow: 33, blue: 34, magenta: 35, cyan: 36, dim: 2, bold: 1 };
const shows = Boolean(process.stdout.isTTY) && !process.env.NO_COLOR;

/**
 * Colours a text where the terminal shows colours.
 * @param {keyof typeof colours} name
 * @param {string} text
 */
export const paint = (name, text) => (shows ? `\u001b[${colours[name]}m${text}\u001b[0m` : text);

/** Columns of the terminal; without one, no limit. */
export const width = () => (process.stdout.isTTY ? process.stdout.columns || 80 : Infinity);

/**
 * Text of strangers without what a terminal would obey: control characters and direction overrides.
 * @param {string} text
 */
export const plain = (text) => text.replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069]+/gu, ' ');

/** @param {number} ms */
export const seconds = (ms) => `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;

/** What a file system error means to a person, by its code. @type {Record<string, string>} */
const MEANINGS = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EACCES: 'this user may not write or read there; it may belong to another user',
  EPERM: 'this user may not write or read there; it may belong to another user',
  EROFS: 'that file system is read-only',
  ENOTDIR: 'a file is where a folder should be',
  EISDIR: 'a folder is where a file should be',
};

/**
 * One sentence for an expected failure; undefined for a bug, which deserves its stack.
 * @param {unknown} error
 * @returns {string | undefined}
 */
export function sentence(error) {
  if (error instanceof CliError) return error.message;
  const { code, path } = /** @type {NodeJS.ErrnoException} */ (error ?? {});
  const meaning = code && MEANINGS[code];
  return meaning ? `${path ?? 'a file of the project'}: ${meaning} (${code}).` : undefined;
}

/** Prints a failure as one red sentence (or, for a bug, its stack) and gives the exit code. @param {unknown} error */
export function printFailure(error) {
  const text = sentence(error);
  if (text) process.stderr.write(`${paint('red', 'Cannot go on:')} ${text}\n`);
  else process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  return 1;
}
