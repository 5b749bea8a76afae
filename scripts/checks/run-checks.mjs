import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, join } from 'node:path';
import { bootstrap } from '../bootstrap.mjs';
import { CliError } from '../servers/cli-error.mjs';
import { root } from '../servers/project.mjs';
import { paint, printFailure, seconds } from '../terminal.mjs';

const PREFIX = 'check:';

/**
 * Runs the `check:*` scripts of package.json in their order, all of them, and ends with code 1 when one fails.
 * @param {string[]} names those to run; all when empty
 */
export async function runChecks(names) {
  try {
    if (names.includes('--help') || names.includes('-h')) {
      const lines = allChecks().map(({ name, command }) => `  ${name.padEnd(10)} ${command}\n`);
      process.stdout.write(`npm run check [-- NAME ...]    runs every check, or those that are named\n${lines.join('')}`);
      return;
    }
    const checks = chosen(names);
    // The documents are compared with what the built code says of itself.
    await bootstrap((text) => process.stdout.write(`${text}\n`), { build: checks.some(({ name }) => name === 'docs') });
    const results = checks.map(run);
    process.stdout.write(`\n${results.map(({ name, ok, ms }) => `${mark(ok)} ${name.padEnd(10)} ${seconds(ms)}`).join('\n')}\n`);
    process.exit(results.every(({ ok }) => ok) ? 0 : 1);
  } catch (error) {
    process.exit(printFailure(error));
  }
}

/** The `check:*` scripts of package.json in their order. */
function allChecks() {
  /** @type {Record<string, string>} */
  const scripts = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).scripts;
  return Object.entries(scripts).flatMap(([key, command]) => (key.startsWith(PREFIX) ? [{ name: key.slice(PREFIX.length), command }] : []));
}

/** @param {string[]} names */
function chosen(names) {
  const all = allChecks();
  const unknown = names.find((name) => !all.some((check) => check.name === name));
  if (unknown) throw new CliError(`there is no check "${unknown}"; there are ${all.map((check) => check.name).join(', ')}.`);
  return names.length > 0 ? all.filter((check) => names.includes(check.name)) : all;
}

/** @param {{ name: string, command: string }} check */
function run({ name, command }) {
  const began = Date.now();
  process.stdout.write(`\n${paint('bold', `== ${name}`)}  ${paint('dim', command)}\n`);
  if (name === 'imports') process.stdout.write(`${importRules()} rules of .dependency-cruiser.cjs\n`);
  const PATH = `${join(root, 'node_modules/.bin')}${delimiter}${process.env.PATH}`;
  const { status } = spawnSync(command, { cwd: root, shell: true, stdio: 'inherit', env: { ...process.env, PATH } });
  return { name, ok: status === 0, ms: Date.now() - began };
}

function importRules() {
  return createRequire(import.meta.url)(join(root, '.dependency-cruiser.cjs')).forbidden.length;
}

/** @param {boolean} ok */
const mark = (ok) => (ok ? paint('green', 'ok    ') : paint('red', 'FAILED'));
