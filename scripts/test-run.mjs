import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { bootstrap } from './bootstrap.mjs';
import { guard } from './servers/guard.mjs';
import { root } from './servers/project.mjs';
import { temporaryFolder } from './servers/temporary-folder.mjs';
import { printFailure } from './terminal.mjs';

const require = createRequire(import.meta.url);

/**
 * Runs jest and closes with the counts alone on a line. Its exit code is jest's.
 * @param {string[]} args passed on to jest
 */
export async function runTests(args) {
  process.on('SIGINT', () => {}); // jest gets it too, and ends first
  try {
    // Whole-process tests run the built files.
    await bootstrap((text) => process.stderr.write(`${text}\n`));
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

/** @param {string} file */
function readCounts(file) {
  try {
    const { passed, failed, skipped } = JSON.parse(readFileSync(file, 'utf8'));
    return `${passed} passed, ${failed} failed, ${skipped} skipped`;
  } catch {
    return undefined; // jest ended before it ran anything, and has said why
  }
}
