import { readOptions, type RunOptions } from '@tributary/testing';
import type { Fault } from './kinds.js';

/** What a run was asked for. */
export interface IngestRunOptions extends RunOptions {
  faults: Fault[];
  creators: number;
  injections: number;
  /** Messages a second of nine rooms in ten. */
  rate: number;
  parallel: number;
}

/** Time one fault may take at most, its start and accounting left out. */
const SECONDS = 3_600;

/** The lines of `--help`. */
export function usage(faults: readonly Fault[]): string {
  const width = Math.max(...faults.map(({ name }) => name.length));
  return `npm run faults -- ingest [options]

  --only NAMES      faults to run, with commas between; all of them otherwise:
${faults.map(({ name, title }) => `                      ${name.padEnd(width)}  ${title}`).join('\n')}
  --injections N    how often each fault is injected (20)
  --creators N      creators of each stack (200)
  --rate N          messages a second of nine rooms in ten; the tenth gets four times as many (1)
  --parallel N      faults run at once, each on a stack of its own (1)
  --seconds N       time each fault may take at most; what is not injected by then fails the run (${SECONDS})
  --seed N          of moments and victims (1)
  --json            one document on standard output
`;
}

/** Reads the command line. @throws Error that names the bad option */
export function readIngestOptions(faults: readonly Fault[]): IngestRunOptions {
  const options = readOptions({ seconds: SECONDS }, { only: '', creators: '200', injections: '20', rate: '1', parallel: '1' });
  const number = (name: string, min: number, max: number, whole = true) => {
    const value = Number(options.own[name]);
    if (!(value >= min && value <= max) || (whole && !Number.isInteger(value)))
      throw new Error(`--${name}: expected a ${whole ? 'whole ' : ''}number from ${min} to ${max}`);
    return value;
  };
  const names = (options.own.only ?? '').split(',').filter(Boolean);
  for (const name of names)
    if (!faults.some((fault) => fault.name === name))
      throw new Error(`--only: there is no fault "${name}"; there are ${faults.map((fault) => fault.name).join(', ')}`);
  return {
    ...options,
    faults: names.length === 0 ? [...faults] : faults.filter(({ name }) => names.includes(name)),
    creators: number('creators', 10, 1_000),
    injections: number('injections', 1, 1_000),
    rate: number('rate', 0.1, 50, false),
    parallel: number('parallel', 1, 16),
  };
}
