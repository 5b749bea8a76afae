import { CliError, readArguments } from '../../../scripts/servers/index.mjs';

/** Options that every fault suite, benchmark and replay takes. */
export interface RunOptions {
  json: boolean;
  seconds: number;
  seed: number;
  /** Values of the run's own options, as they were given or by default. */
  own: Record<string, string>;
  /** Arguments that are no options. */
  rest: string[];
}

/** An option of one run beside those that all of them have. */
export interface OwnOption {
  default: string;
  about: string;
  /** What stands for its value in the usage; `N` when absent. */
  value?: string;
}

/** What a command line is, for its usage and for its errors. */
export interface RunDescription {
  /** As it is called: `npm run bench -- rooms`. */
  command: string;
  /** What it does, in a line or two. */
  about: string;
  /** How long it takes when nothing else is asked for. */
  seconds: number;
  /** What `--seconds` bounds, where it is not the whole run. */
  secondsAbout?: string;
  own?: Record<string, OwnOption>;
  /** What it takes beside options, such as `FILE...`; without it there is no argument. */
  takes?: string;
  /** Further lines of the usage. */
  more?: string;
}

const SECONDS_MAX = 86_400;

/**
 * Reads the options of a command line program. `--help` prints its usage and ends the process with code 0; what is wrong ends it
 * with one line and code 1.
 * @param refine what the run makes of its own options; it throws an Error whose message names the option and what is expected
 */
export function readOptions<T extends object = object>(
  run: RunDescription,
  refine: (options: RunOptions) => T = () => ({}) as T,
  args = process.argv.slice(2),
): RunOptions & T {
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(usageOf(run));
    process.exit(0);
  }
  try {
    const options = parseOptions(run, args);
    return { ...options, ...refine(options) };
  } catch (error) {
    process.stderr.write(`${run.command}: ${error instanceof Error ? error.message : String(error)}; --help lists what there is\n`);
    process.exit(1);
  }
}

/** A number out of an own option. @throws Error that names it */
export function ownNumber(
  { own }: RunOptions,
  name: string,
  { min, max, whole = true }: { min: number; max: number; whole?: boolean },
): number {
  const value = Number(own[name]);
  if (!(value >= min && value <= max) || (whole && !Number.isInteger(value)))
    throw new Error(`--${name}: expected a ${whole ? 'whole ' : ''}number from ${min} to ${max}`);
  return value;
}

/** The chosen ones of a list, by an own option with commas between; all of them when it is empty. @throws Error that names it */
export function ownNames<T extends { name: string }>({ own }: RunOptions, option: string, all: readonly T[]): T[] {
  const names = (own[option] ?? '').split(',').filter(Boolean);
  for (const name of names)
    if (!all.some((one) => one.name === name))
      throw new Error(`--${option}: there is no "${name}"; there are ${all.map((one) => one.name).join(', ')}`);
  return names.length === 0 ? [...all] : all.filter(({ name }) => names.includes(name));
}

function parseOptions({ command, seconds: fallback, own = {}, takes }: RunDescription, args: string[]): RunOptions {
  const { values, positionals } = readArguments({
    args,
    allowPositionals: true,
    options: {
      ...Object.fromEntries(Object.keys(own).map((name) => [name, { type: 'string' as const }])),
      json: { type: 'boolean', default: false },
      seconds: { type: 'string', default: String(fallback) },
      seed: { type: 'string', default: '1' },
    },
  });
  if (!takes && positionals.length > 0) throw new CliError(`there is no argument "${positionals[0]}"`);
  if (takes && positionals.length === 0) throw new CliError(`it needs ${takes}: ${command} ${takes}`);
  const [seconds, seed] = [Number(values.seconds), Number(values.seed)];
  if (!(seconds > 0 && seconds <= SECONDS_MAX)) throw new CliError(`--seconds: expected a number above 0, up to ${SECONDS_MAX}`);
  if (!Number.isInteger(seed)) throw new CliError('--seed: expected a whole number');
  const given = values as Record<string, unknown>;
  const valueOf = (name: string, otherwise: string) => (typeof given[name] === 'string' ? given[name] : otherwise);
  const ownValues = Object.fromEntries(Object.entries(own).map(([name, option]) => [name, valueOf(name, option.default)]));
  return { json: values.json === true, seconds, seed, own: ownValues, rest: positionals };
}

function usageOf({ command, about, seconds, secondsAbout, own = {}, takes, more }: RunDescription): string {
  const rows = [
    ...Object.entries(own).map(([name, option]) => [
      `--${name} ${option.value ?? 'N'}`,
      `${option.about}${option.default === '' ? '' : ` (${option.default})`}`,
    ]),
    ['--seconds N', `${secondsAbout ?? 'time it takes, or may take at most'} (${seconds})`],
    ['--seed N', 'of what is chosen at random (1)'],
    ['--json', 'one document on standard output, nothing else'],
  ];
  const options = rows.map(([name = '', text = '']) => `  ${name.padEnd(18)} ${text}\n`).join('');
  return `${command}${takes ? ` ${takes}` : ''} [options]\n  ${about.replaceAll('\n', '\n  ')}\n\n${options}${more ? `\n${more}\n` : ''}`;
}
