import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { delimiter, join } from 'node:path';
import { bootstrap } from '../bootstrap.mjs';
import { CliError } from '../servers/cli-error.mjs';
import { root } from '../servers/project.mjs';
import { paint, printFailure, seconds } from '../terminal.mjs';

const PREFIX = 'check:';
/** Checks at a time. More would only make each slower, and the memory of the compiler is large. */
const AT_ONCE = Math.min(2, availableParallelism());

/**
 * Runs the `check:*` scripts of package.json, all of them, two at a time, and ends with code 1 when one fails.
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
    const results = await runAll(checks);
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

/**
 * Runs them, each after those before it have begun; the results are in their order.
 * @param {{ name: string, command: string }[]} checks
 */
async function runAll(checks) {
  /** @type {Awaited<ReturnType<typeof run>>[]} */
  const results = [];
  const waiting = [...checks.entries()];
  const next = async () => {
    for (let one = waiting.shift(); one; one = waiting.shift()) results[one[0]] = await run(one[1]);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, next));
  return results;
}

/**
 * Runs one; what it says is printed when it has ended, so that two do not mix.
 * @param {{ name: string, command: string }} check
 */
async function run({ name, command }) {
  const began = Date.now();
  const PATH = `${join(root, 'node_modules/.bin')}${delimiter}${process.env.PATH}`;
  const colours = process.stdout.isTTY ? { FORCE_COLOR: '1' } : {};
  const child = spawn(command, { cwd: root, shell: true, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...colours, PATH } });
  /** @type {Buffer[]} */
  const said = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (/** @type {Buffer} */ data) => said.push(data));
  const code = await new Promise((resolve, reject) => child.once('close', resolve).once('error', reject));
  process.stdout.write(`\n${paint('bold', `== ${name}`)}  ${paint('dim', command)}\n`);
  if (name === 'imports') process.stdout.write(`${importRules()} rules of .dependency-cruiser.cjs\n`);
  process.stdout.write(Buffer.concat(said));
  return { name, ok: code === 0, ms: Date.now() - began };
}

function importRules() {
  return createRequire(import.meta.url)(join(root, '.dependency-cruiser.cjs')).forbidden.length;
}

/** @param {boolean} ok */
const mark = (ok) => (ok ? paint('green', 'ok    ') : paint('red', 'FAILED'));
