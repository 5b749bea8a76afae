import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { Semaphore } from '@tributary/runtime';

const root = join(import.meta.dirname, '..');
/** Command lines that run at a time: most of what one takes is the start of a process. */
const atOnce = new Semaphore({ concurrency: 3 });

interface Ended {
  code: number | null;
  out: string;
  err: string;
}

/** Runs a command line to its end. */
function run(...args: string[]): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    const ended = { out: '', err: '' };
    child.stdout.on('data', (data: Buffer) => (ended.out += data.toString()));
    child.stderr.on('data', (data: Buffer) => (ended.err += data.toString()));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, ...ended }));
  });
}

const results = new Map<string, Promise<Ended>>();
/** The same, once for each command line, and when its turn has come. */
function result(...args: string[]): Promise<Ended> {
  const key = args.join(' ');
  const known = results.get(key);
  if (known) return known;
  const ended = atOnce.run(() => run(...args));
  results.set(key, ended);
  return ended;
}

const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> };
/** The npm scripts that run one of our programs, with the arguments of node. */
const commands = Object.entries(scripts).flatMap(([name, command]) =>
  command.startsWith('node ') && !name.includes(':') ? [[name, command.split(' ').slice(1)] as const] : [],
);
const programs = (folder: string) =>
  readdirSync(join(root, folder), { withFileTypes: true })
    .filter((entry) => entry.isFile() && /^[a-z-]+\.ts$/.test(entry.name) && entry.name !== 'replay.ts')
    .map(({ name }) => name.slice(0, -'.ts'.length));

const lines: [string, string[]][] = [
  ...commands.map(([name, args]): [string, string[]] => [`npm run ${name} --`, [...args]]),
  ...programs('bench').map((name): [string, string[]] => [`npm run bench -- ${name}`, ['scripts/run.mjs', 'bench', name]]),
  ...programs('test/faults').map((name): [string, string[]] => [`npm run faults -- ${name}`, ['scripts/run.mjs', 'faults', name]]),
  ...programs('test/fuzz').map((name): [string, string[]] => [`npm run fuzz -- ${name}`, ['scripts/run.mjs', 'fuzz', name]]),
  ...['demo-live.mjs', 'test-simple-integration.mjs'].map((name): [string, string[]] => [`node examples/${name}`, [`examples/${name}`]]),
  ['node dist/apps/api/src/admin.js', ['dist/apps/api/src/admin.js']],
];

const withOptions = lines.filter(([name]) => /-- \w+$/.test(name));
/** What is wrong with a command line, the line, and what the answer says. */
const refused: [string, string[], RegExp][] = [
  ['tail --type without a value', ['scripts/run.mjs', 'tail', '--type'], /--type needs a value/],
  ['tail --type with the next option as its value', ['scripts/run.mjs', 'tail', '--type', '--json'], /--type needs a value/],
  ['tail --type with an empty value', ['scripts/run.mjs', 'tail', '--type='], /--type needs a value/],
  ['an option without its value', ['scripts/run.mjs', 'faults', 'house', '--seconds'], /--seconds needs a value/],
  ['a seed that is no whole number', ['scripts/run.mjs', 'faults', 'house', '--seed', '1.5'], /--seed: expected a whole number/],
  ['a flag with a value', ['scripts/run.mjs', 'faults', 'house', '--json=yes'], /--json takes no value/],
  ['replay without a file', ['scripts/run.mjs', 'replay'], /it needs FILE/],
  ['replay of a file that is not there', ['scripts/run.mjs', 'replay', 'nowhere.bin'], /nowhere\.bin: there is no such file/],
  ['a benchmark that there is not', ['scripts/run.mjs', 'bench', 'moon'], /there is no "moon"; there are ingest, rooms, signer, webhooks/],
  ['no fault suite', ['scripts/run.mjs', 'faults'], /a name is needed; there are failover, house, ingest, webhooks/],
  ['an argument that a benchmark does not take', ['scripts/run.mjs', 'bench', 'signer', 'fast'], /there is no argument "fast"/],
  ['too many rooms', ['scripts/run.mjs', 'bench', 'ingest', '--rooms', '9999999'], /--rooms: expected a whole number from 1 to 2000/],
  ['a list of rooms that is none', ['scripts/run.mjs', 'bench', 'rooms', '--rooms', 'many'], /--rooms: expected numbers from 1/],
  ['a fault that there is not', ['scripts/run.mjs', 'faults', 'ingest', '--only', 'moon'], /--only: there is no "moon"; there are /],
  [
    'a kind of fail-over that there is not',
    ['scripts/run.mjs', 'faults', 'failover', '--only', 'moon'],
    /--only: there is no "moon"; there are /,
  ],
  ['too few creators', ['scripts/run.mjs', 'faults', 'failover', '--creators', '1'], /--creators: expected a whole number from 16 to 500/],
  ['a number of inputs that is none', ['scripts/run.mjs', 'fuzz', 'frames', '--count', 'all'], /--count: expected a whole number from 1/],
  ['a number of an input that is none', ['scripts/run.mjs', 'fuzz', 'cursors', '--only', '-1'], /--only/],
  [
    'too many inputs at a time',
    ['scripts/run.mjs', 'fuzz', 'rest', '--parallel', '1000'],
    /--parallel: expected a whole number from 1 to 64/,
  ],
  ['a fuzz target that there is not', ['scripts/run.mjs', 'fuzz', 'moon'], /there is no "moon"; there are cursors, frames, rest, sign/],
  ['a check that there is not', ['scripts/check.mjs', 'moon'], /there is no check "moon"; there are format/],
  ['an admin command that there is not', ['dist/apps/api/src/admin.js', 'moon'], /there is no command "moon"/],
  ['an example without a creator', ['examples/demo-live.mjs'], /it needs the NAME of a creator/],
  [
    'an example that ends before it begins',
    ['examples/demo-live.mjs', '--simulator', '--seconds', '0'],
    /--seconds: expected a number above 0/,
  ],
];

/** One clear line on standard error, and nothing of the program itself. */
function expectRefusal({ code, out, err }: Ended, what: RegExp): void {
  expect({ code, out }).toEqual({ code: 1, out: '' });
  expect(err).toMatch(/^[^\n]+\n$/);
  expect(err).not.toMatch(/\bat .*:\d+|Error:|node:internal/);
  expect(err).toMatch(what);
}

describe('a command line', () => {
  beforeAll(() => {
    for (const [, args] of lines) void result(...args, '--help');
    for (const [, args] of lines) void result(...args, '--no-such-option');
    for (const [, args] of withOptions) void result(...args, '--seconds', 'soon');
    for (const [, args] of refused) void result(...args);
  });

  it('is each of the documented ones', () => {
    expect(commands.map(([name]) => name)).toEqual(
      expect.arrayContaining(['start', 'test', 'check', 'tail', 'bench', 'faults', 'fuzz', 'replay', 'docs']),
    );
    expect(lines.length).toBeGreaterThan(16);
  });

  it.each(lines)('%s --help prints its usage and ends well', async (name, args) => {
    const { code, out, err } = await result(...args, '--help');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toContain(
      name
        .replace('npm run start --', 'npm start')
        .replace('npm run test --', 'npm test')
        .replace(/ --$/, '')
        .replace(/^node dist\S*\//, ''),
    );
    expect(out).not.toMatch(/\bat .*:\d+|undefined|NaN/);
  });

  it.each(lines)('%s refuses an option that it does not have, in one line', async (_, args) => {
    expectRefusal(await result(...args, '--no-such-option'), /no-such-option|a name is needed|no command/);
  });

  it.each(withOptions)('%s refuses a bad value of an option, in one line', async (_, args) =>
    expectRefusal(await result(...args, '--seconds', 'soon'), /--seconds: expected a number above 0/),
  );

  it.each(refused)('is refused in one line: %s', async (_, args, what) => {
    expectRefusal(await result(...args), what);
  });

  it('takes -h for --help', async () => {
    for (const args of [['scripts/start.mjs'], ['scripts/run.mjs', 'faults'], ['scripts/run.mjs', 'bench', 'signer']])
      expect(await result(...args, '-h')).toEqual(await result(...args, '--help'));
  });

  it('lists what each program of a folder does', async () => {
    for (const [command, folder] of [
      ['bench', 'bench'],
      ['faults', 'test/faults'],
      ['fuzz', 'test/fuzz'],
    ] as const) {
      const { out } = await result('scripts/run.mjs', command, '--help');
      for (const name of programs(folder)) expect(out).toMatch(new RegExp(`^ {2}${name} +\\S.{10,}$`, 'm'));
    }
  });
});
