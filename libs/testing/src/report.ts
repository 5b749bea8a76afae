import { cpus, totalmem } from 'node:os';
import { parseArgs } from 'node:util';

/** Options that every fault suite, benchmark and replay takes. */
export interface RunOptions {
  json: boolean;
  seconds: number;
  seed: number;
  /** Values of the run's own options. */
  own: Record<string, string>;
  /** Whatever else was given. */
  rest: string[];
}

/** The options of a run, for `--help`. */
function usageOf(defaults: { seconds: number }, own: Record<string, string>): string {
  const rows = [
    ...Object.entries(own).map(([name, value]) => [`--${name} VALUE`, value === '' ? 'all of them by default' : `${value} by default`]),
    ['--seconds N', `time it takes, or may take at most (${defaults.seconds})`],
    ['--seed N', 'of what is chosen at random (1)'],
    ['--json', 'one document on standard output, nothing else'],
  ];
  return `options:\n${rows.map(([name = '', about = '']) => `  ${name.padEnd(18)} ${about}`).join('\n')}\n`;
}

/**
 * Reads the options of a command line program as {@link parseOptions} does. `--help` prints them and ends the process; a bad
 * one ends it with one sentence and exit code 2.
 */
export function readOptions(defaults: { seconds: number }, own: Record<string, string> = {}): RunOptions {
  if (process.argv.includes('--help') || process.argv.includes('-h')) {
    process.stdout.write(usageOf(defaults, own));
    process.exit(0);
  }
  try {
    return parseOptions(defaults, own);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${usageOf(defaults, own)}`);
    process.exit(2);
  }
}

/**
 * Reads `--json --seconds N --seed N`, and a run's `own` options by name, given with their defaults.
 * @throws Error that names the bad option
 */
function parseOptions(defaults: { seconds: number }, own: Record<string, string>): RunOptions {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      ...Object.fromEntries(Object.keys(own).map((name) => [name, { type: 'string' as const }])),
      json: { type: 'boolean', default: false },
      seconds: { type: 'string' },
      seed: { type: 'string', default: '1' },
    },
  });
  const given = Object.entries(values).flatMap(([name, value]) => (name in own && typeof value === 'string' ? [[name, value]] : []));
  const seconds = Number(values.seconds ?? defaults.seconds);
  const seed = Number(values.seed);
  if (!(seconds > 0 && seconds <= 86_400)) throw new Error('--seconds: expected a number from 1 to 86400');
  if (!Number.isInteger(seed)) throw new Error('--seed: expected a whole number');
  return { json: values.json, seconds, seed, own: { ...own, ...Object.fromEntries(given) }, rest: positionals };
}

/** The machine a number was measured on, in one line. */
export function machine(): string {
  return `${cpus().length} cores (${cpus()[0]?.model.trim() ?? 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}, ${process.platform}`;
}

/** Lines of a table, columns as wide as they need to be; numbers to the right. */
export function table(rows: Record<string, string | number>[]): string {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const width = (column: string) => Math.max(column.length, ...rows.map((row) => String(row[column] ?? '').length));
  const line = (cells: (string | number)[]) =>
    cells
      .map((cell, i) => (typeof cell === 'number' ? String(cell).padStart(width(columns[i]!)) : cell.padEnd(width(columns[i]!))))
      .join('  ')
      .trimEnd();
  return [
    line(columns),
    line(columns.map((column) => '-'.repeat(width(column)))),
    ...rows.map((row) => line(columns.map((column) => row[column] ?? ''))),
  ].join('\n');
}

/** A source of numbers in [0, 1) that a seed makes repeatable (mulberry32). */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Ends a run: the document on standard output (alone, with `--json`), the text otherwise, and a non-zero exit code when a
 * bar was not met.
 */
export function finish(options: RunOptions, document: object, text: string, failures: string[]): void {
  if (options.json) process.stdout.write(`${JSON.stringify({ machine: machine(), ...document, failures }, null, 2)}\n`);
  else
    process.stdout.write(
      `${text}\n\n${failures.length === 0 ? 'every bar was met' : failures.map((failure) => `NOT MET: ${failure}`).join('\n')}\n`,
    );
  process.exitCode = failures.length === 0 ? 0 : 1;
}
