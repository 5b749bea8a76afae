// node scripts/checks/security.mjs: every threat of docs/security.md names tests that exist. Run by "npm run check".
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../servers/project.mjs';

const PAGE = 'docs/security.md';
const HEAD = '| threat | what holds it | test |';
/** A test as the page names it: its file, and its title in quotes. */
const NAMED = /`([\w./-]+\.(?:spec|int-spec|e2e-spec)\.ts)` "([^"]+)"/g;

/**
 * What is wrong with the page, a line each.
 * @param {string} page its text
 * @param {(file: string) => string | undefined} read text of a file of the project
 */
export function faultsOf(page, read) {
  const rows = rowsOf(page);
  if (rows.length === 0) return [`${PAGE} has no table that begins with "${HEAD}"`];
  return rows.flatMap((row) => {
    const [threat = '', , tests = ''] = row.split(' | ');
    const named = [...tests.matchAll(NAMED)];
    if (named.length === 0) return [`"${plain(threat)}" names no test`];
    return named.flatMap(([, file = '', title = '']) => {
      const text = read(file);
      if (text === undefined) return [`"${plain(threat)}": there is no ${file}`];
      return titlesOf(text).includes(title) ? [] : [`"${plain(threat)}": ${file} has no test "${title}"`];
    });
  });
}

/** @param {string} page */
function rowsOf(page) {
  const lines = page.split('\n');
  return lines.flatMap((line, at) => {
    if (line !== HEAD) return [];
    const rows = lines.slice(at + 2);
    const end = rows.findIndex((row) => !row.startsWith('| '));
    return end === -1 ? rows : rows.slice(0, end);
  });
}

/**
 * Titles of the tests of a file: the first text of each `it`, and of each table of them.
 * @param {string} text
 */
function titlesOf(text) {
  const title =
    /(?:^|[\s)\]}])(?:it(?:\.each[^\n]*)?\(|\]\)\(|\)\(|as const\)\()\s*(?:'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)"|`([^`\n]*)`)/g;
  return [...text.matchAll(title)].map(([, single, double, template]) => (single ?? double ?? template ?? '').replace(/\\(.)/g, '$1'));
}

/** @param {string} cell */
const plain = (cell) => cell.replace(/^\| /, '').slice(0, 80);

if (process.argv[1] === join(root, 'scripts/checks/security.mjs')) {
  const page = readFileSync(join(root, PAGE), 'utf8');
  const faults = faultsOf(page, (file) => (existsSync(join(root, file)) ? readFileSync(join(root, file), 'utf8') : undefined));
  if (faults.length > 0) {
    process.stderr.write(`${PAGE}:\n${faults.map((fault) => `  ${fault}\n`).join('')}`);
    process.exitCode = 1;
  } else process.stdout.write(`${rowsOf(page).length} threats name tests that exist\n`);
}
