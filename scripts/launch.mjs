import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { bootstrap } from './bootstrap.mjs';
import { CliError } from './servers/cli-error.mjs';
import { root } from './servers/project.mjs';
import { printFailure } from './terminal.mjs';

/** Programs by command; those with a folder take the program's name as their first argument. */
const COMMANDS = {
  tail: { file: 'scripts/tail/tail.mjs' },
  replay: { file: 'dist/bench/replay.js' },
  docs: { file: 'scripts/checks/docs.mjs' },
  bench: { folder: 'bench' },
  faults: { folder: 'test/faults' },
  fuzz: { folder: 'test/fuzz' },
};
/** In bench/, but a command of its own. */
const OWN_COMMANDS = ['replay'];

/** What each program of a folder does, for the list of `--help`; its own `--help` tells its options. @type {Record<string, Record<string, string>>} */
const PROGRAMS = {
  bench: {
    ingest: "from the socket to Redis' acknowledgement, beside the plain script of a user",
    rooms: 'what many rooms in one worker cost',
    signer: 'connects by the signer, beside a bare route that returns the same bytes',
    webhooks: 'deliveries a second, beside a bare loop and one job for each event',
  },
  faults: {
    failover: 'databases replaced by older copies, silent peers, full disks, frozen workers',
    house: 'everything at once: drops, silence, duplicates and kill -9',
    ingest: 'three workers under kill -9, freezes, wipes and cut networks',
    webhooks: '200 endpoints, good and bad, under kills, wipes and outages',
  },
  fuzz: {
    cursors: 'cursors, ids, secrets and tokens, changed, through everything that reads them',
    frames: 'changed frames through the frame reader, the decoders and the normaliser',
    rest: 'hostile requests and broken HTTP to a real api process',
    sign: 'the same to a real signer',
  },
};

/**
 * Installs and builds what is missing, then runs one program and ends with its exit code.
 * @param {string[]} args
 */
export async function launch([command = '', ...rest]) {
  try {
    const found = find(command, rest);
    if ('usage' in found) {
      process.stdout.write(found.usage);
      return;
    }
    const { file, args } = found;
    // What needs no build shows its usage without one. `--json` promises one document on standard output and nothing else.
    if (!file.startsWith('scripts/') || !isHelp(args)) await bootstrap((text) => process.stderr.write(`${text}\n`));
    if (!existsSync(join(root, file))) throw new CliError(`"npm run ${command}" has no program here: ${file} is missing after the build.`);
    for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) process.on(signal, () => signal === 'SIGTERM' && child.kill(signal));
    const child = spawn(process.execPath, [join(root, file), ...args], { cwd: root, stdio: 'inherit' });
    child.once('error', (error) => process.exit(printFailure(error)));
    child.once('close', (code) => process.exit(code ?? 1));
  } catch (error) {
    process.exit(printFailure(error));
  }
}

/**
 * @param {string} command
 * @param {string[]} rest
 * @returns {{ file: string, args: string[] } | { usage: string }}
 */
function find(command, rest) {
  const target = COMMANDS[/** @type {keyof typeof COMMANDS} */ (command)];
  if (!target) throw new CliError(`unknown command "${command}"; there are ${Object.keys(COMMANDS).join(', ')}.`);
  if ('file' in target) return { file: target.file, args: rest };
  const names = programs(target.folder);
  const at = rest.findIndex((arg) => names.includes(arg));
  if (at === -1 && isHelp(rest)) return { usage: usageOf(command, names) };
  if (at === -1) {
    const name = rest.find((arg) => !arg.startsWith('-'));
    const what = name ? `there is no "${name}"` : 'a name is needed';
    throw new CliError(
      `npm run ${command} -- NAME [--json] [--seconds N] [--seed N]: ${what}; there ${names.length > 0 ? `are ${names.join(', ')}` : 'is none yet'}.`,
    );
  }
  return { file: `dist/${target.folder}/${rest[at]}.js`, args: rest.filter((_, index) => index !== at) };
}

/** @param {string[]} args */
const isHelp = (args) => args.includes('--help') || args.includes('-h');

/**
 * @param {string} command
 * @param {string[]} names
 */
function usageOf(command, names) {
  const width = Math.max(0, ...names.map((name) => name.length));
  const lines = names.map((name) => `  ${name.padEnd(width)}  ${PROGRAMS[command]?.[name] ?? ''}`.trimEnd());
  return `npm run ${command} -- NAME [--json] [--seconds N] [--seed N]\n${lines.join('\n')}\n  npm run ${command} -- NAME --help tells the options of one\n`;
}

/**
 * Programs of a folder: its files, those in deeper folders being parts of them.
 * @param {string} folder
 */
function programs(folder) {
  const full = join(root, folder);
  if (!existsSync(full)) return [];
  const files = readdirSync(full, { withFileTypes: true }).filter((entry) => entry.isFile() && /^[a-z-]+\.ts$/.test(entry.name));
  return files.map((entry) => basename(entry.name, '.ts')).filter((name) => !OWN_COMMANDS.includes(name));
}
