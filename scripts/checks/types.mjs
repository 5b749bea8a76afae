// node scripts/checks/types.mjs: every file of TypeScript and JavaScript is compiled in strict mode. Run by "npm run check".
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { root } from '../servers/project.mjs';

/** Found by its path: commands need no package before they have installed them. @type {typeof import('typescript')} */
const ts = createRequire(import.meta.url)(join(root, 'node_modules/typescript'));

/** One for each place where code runs: our processes, Node without a build, a browser. */
const CONFIGS = ['tsconfig.json', 'scripts/tsconfig.json', 'apps/api/src/dashboard/public/tsconfig.json'];
/** Compiled by a test, beside types that are made of the API's description: apps/api/src/openapi/typed-client.int-spec.ts. */
const COMPILED_ELSEWHERE = ['examples/typed-client/'];
const CODE = /\.[cm]?[jt]s$/;
const SKIPPED = new Set(['node_modules', 'dist', 'coverage', '.git', '.tributary']);

/**
 * Files of a project that no configuration of the compiler covers, and configurations that check less than all of it.
 * @param {string} folder of the project
 * @param {string[]} configs paths in it
 * @param {string[]} elsewhere beginnings of paths that something else compiles
 * @returns {string[]} a line each; empty when nothing is left out
 */
export function leftOut(folder, configs, elsewhere) {
  const read = configs.map((config) => ({ config, ...readConfig(folder, config) }));
  const covered = new Set(read.flatMap(({ files }) => files));
  const missing = filesIn(folder)
    .sort()
    .filter((file) => !covered.has(file) && !elsewhere.some((beginning) => file.startsWith(beginning)));
  const lax = read.flatMap(({ config, files, strict, checkJs }) => {
    if (!strict) return [`${config}: "strict" is off`];
    return checkJs || !files.some((file) => /\.[cm]?js$/.test(file)) ? [] : [`${config}: "checkJs" is off`];
  });
  return [...missing.map((file) => `${file} is compiled by none of ${configs.join(', ')}`), ...lax];
}

/** @param {string} folder @returns {string[]} paths in it, with `/` */
function filesIn(folder, at = folder) {
  return readdirSync(at, { withFileTypes: true }).flatMap((entry) => {
    if (SKIPPED.has(entry.name)) return [];
    const path = join(at, entry.name);
    if (entry.isDirectory()) return filesIn(folder, path);
    return entry.isFile() && CODE.test(entry.name) ? [relative(folder, path)] : [];
  });
}

/**
 * What a configuration comes to, as the compiler reads it.
 * @param {string} folder
 * @param {string} config
 */
function readConfig(folder, config) {
  const path = join(folder, config);
  /** @param {{ messageText: string | object }} fault */
  const refuse = ({ messageText }) => {
    throw new Error(`${config} cannot be read: ${typeof messageText === 'string' ? messageText : JSON.stringify(messageText)}`);
  };
  const parsed = ts.getParsedCommandLineOfConfigFile(path, {}, { ...ts.sys, onUnRecoverableConfigFileDiagnostic: refuse });
  parsed?.errors.forEach(refuse);
  const { fileNames = [], options = {} } = parsed ?? {};
  return { files: fileNames.map((file) => relative(folder, file)), strict: options.strict === true, checkJs: options.checkJs === true };
}

/** Whether a program has no fault; they are printed. @param {string} config */
function compiles(config) {
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  return spawnSync(process.execPath, [compiler, '--noEmit', '-p', config], { cwd: root, stdio: 'inherit' }).status === 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const faults = leftOut(root, CONFIGS, COMPILED_ELSEWHERE);
  for (const fault of faults) process.stderr.write(`${fault}\n`);
  const failed = CONFIGS.filter((config) => !compiles(config));
  process.stdout.write(failed.length > 0 ? `faults in: ${failed.join(', ')}\n` : `${CONFIGS.join(', ')} have no fault\n`);
  process.exitCode = faults.length + failed.length > 0 ? 1 : 0;
}
