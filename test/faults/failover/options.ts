import { readOptions, type RunOptions } from '@tributary/testing';
import type { Kind } from './kind.js';

/** What a run was asked for. */
export interface FailoverOptions extends RunOptions {
  kinds: Kind[];
  injections: number;
  creators: number;
  /** Messages a second of nine rooms in ten. */
  rate: number;
  parallel: number;
}

/** The whole takes about this long. */
const SECONDS = 2_700;
const INJECTIONS = 5;
/** Start and accounting of one kind. */
const OVERHEAD_SECONDS = 60;

/** The lines of `--help`. */
export function usage(kinds: readonly Kind[]): string {
  const width = Math.max(...kinds.map(({ name }) => name.length));
  return `npm run faults -- failover [options]

  --only NAMES      kinds to run, with commas between; all of them otherwise:
${kinds.map(({ name, title }) => `                      ${name.padEnd(width)}  ${title}`).join('\n')}
  --seconds N       time for the whole run, about (${SECONDS}): each kind is injected up to ${INJECTIONS} times, and at least once
  --injections N    how often each kind is injected, whatever the time
  --creators N      creators of each stack (24)
  --rate N          messages a second of nine rooms in ten; the tenth gets four times as many (2)
  --parallel N      kinds run at once, each on a stack of its own (2)
  --seed N          of moments and victims (1)
  --json            one document on standard output
`;
}

/** Reads the command line. @throws Error that names the bad option */
export function readFailoverOptions(all: readonly Kind[]): FailoverOptions {
  const options = readOptions({ seconds: SECONDS }, { only: '', creators: '24', injections: '0', rate: '2', parallel: '2' });
  const number = (name: string, min: number, max: number, whole = true) => {
    const value = Number(options.own[name]);
    if (!(value >= min && value <= max) || (whole && !Number.isInteger(value)))
      throw new Error(`--${name}: expected a ${whole ? 'whole ' : ''}number from ${min} to ${max}`);
    return value;
  };
  const names = (options.own.only ?? '').split(',').filter(Boolean);
  for (const name of names)
    if (!all.some((kind) => kind.name === name))
      throw new Error(`--only: there is no kind "${name}"; there are ${all.map((kind) => kind.name).join(', ')}`);
  const kinds = names.length === 0 ? [...all] : all.filter(({ name }) => names.includes(name));
  const parallel = number('parallel', 1, 8);
  const given = number('injections', 0, 40);
  return {
    ...options,
    kinds,
    injections: given || affordable(kinds, options.seconds * parallel),
    creators: number('creators', 16, 500),
    rate: number('rate', 0.1, 50, false),
    parallel,
  };
}

function affordable(kinds: readonly Kind[], seconds: number): number {
  const overhead = kinds.length * OVERHEAD_SECONDS;
  const each = kinds.reduce((sum, kind) => sum + kind.seconds, 0);
  return Math.max(1, Math.min(INJECTIONS, Math.floor((seconds - overhead) / each)));
}
