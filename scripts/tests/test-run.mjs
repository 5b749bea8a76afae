import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { bootstrap } from '../bootstrap.mjs';
import { CliError } from '../servers/cli-error.mjs';
import { guard } from '../servers/guard.mjs';
import { root } from '../servers/project.mjs';
import { temporaryFolder } from '../servers/temporary-folder.mjs';
import { printFailure } from '../terminal.mjs';

const require = createRequire(import.meta.url);

const USAGE = `npm test                          runs every test, on a private Redis and PostgreSQL
npm test -- PATH ... [-t NAME]    runs the test files whose path contains PATH, of these the tests whose name contains NAME
  -i             one file after another
  --silent       without what the code under test prints
  every option of jest is taken: npx jest --help lists them
`;

/**
 * Runs jest and closes with the counts alone on a line. Its exit code is jest's.
 * @param {string[]} args passed on to jest
 */
export async function runTests(args) {
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(USAGE);
    return;
  }
  process.on('SIGINT', () => {}); // jest gets it too, and ends first
  try {
    // Whole-process tests run the built files.
    await bootstrap((text) => process.stderr.write(`${text}\n`));
    const unknown = unknownOption(args);
    if (unknown) throw new CliError(`jest has no option ${unknown}; npx jest --help lists what there is.`);
  } catch (error) {
    process.exit(printFailure(error));
  }
  const folder = temporaryFolder('counts');
  const counts = join(folder.path, 'counts.json');
  const jest = spawn(
    process.execPath,
    ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning', require.resolve('jest/bin/jest'), ...args],
    { cwd: root, stdio: 'inherit', env: { ...process.env, NODE_ENV: 'test', TRIBUTARY_TEST_COUNTS: counts } },
  );
  const code = await new Promise((resolve) => {
    jest.once('error', () => resolve(1));
    jest.once('close', (status) => resolve(status ?? 1));
  });
  const line = readCounts(counts);
  folder.remove();
  await guard.dismiss();
  if (line) process.stdout.write(`${line}\n`);
  process.exit(code);
}

/**
 * The first option that jest does not have. Jest itself tells it in a page.
 * @param {string[]} args
 */
function unknownOption(args) {
  // Jest brings its command line along.
  const { yargsOptions } = createRequire(require.resolve('jest'))('jest-cli');
  const entries = /** @type {[string, { alias?: string | string[] }][]} */ (Object.entries(yargsOptions));
  const known = new Set(['version', 'v', ...entries.flatMap(([name, { alias = [] }]) => [name, ...[alias].flat()])]);
  const isKnown = (/** @type {string} */ option) => {
    const name =
      option
        .replace(/^--?/, '')
        .split('=')[0]
        ?.replace(/-(\w)/g, (_, letter) => letter.toUpperCase()) ?? '';
    const plain = name.replace(/^no([A-Z])/, (_, letter) => letter.toLowerCase());
    if (option.startsWith('--')) return known.has(name) || known.has(plain);
    return known.has(name) || [...name].every((letter) => known.has(letter));
  };
  const own = args.includes('--') ? args.slice(0, args.indexOf('--')) : args;
  return own.find((arg) => /^--?[a-z]/i.test(arg) && !isKnown(arg.replace(/^(--[\w-]+)\.[^=]*/, '$1')));
}

/** @param {string} file */
function readCounts(file) {
  try {
    const { passed, failed, skipped } = JSON.parse(readFileSync(file, 'utf8'));
    return `${passed} passed, ${failed} failed, ${skipped} skipped`;
  } catch {
    return undefined; // jest ended before it ran anything, and has said why
  }
}
