import { ownNames, ownNumber, readOptions, type RunOptions } from '@tributary/testing';
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

/** Reads the command line; what is wrong ends the process with one line. */
export function readIngestOptions(all: readonly Fault[]): IngestRunOptions {
  const width = Math.max(...all.map(({ name }) => name.length));
  return readOptions(
    {
      command: 'npm run faults -- ingest',
      about: 'three workers under kill -9, freezes, wipes and cut networks, one fault at a time, with an account of every message',
      seconds: SECONDS,
      secondsAbout: 'time each fault may take at most; what is not injected by then fails the run',
      own: {
        only: { default: '', value: 'NAMES', about: 'faults to run, with commas between; all of them otherwise' },
        injections: { default: '20', about: 'how often each fault is injected' },
        creators: { default: '200', about: 'creators of each stack' },
        rate: { default: '1', about: 'messages a second of nine rooms in ten; the tenth gets four times as many' },
        parallel: { default: '1', about: 'faults run at once, each on a stack of its own' },
      },
      more: `faults:\n${all.map(({ name, title }) => `  ${name.padEnd(width)}  ${title}`).join('\n')}`,
    },
    (options) => ({
      faults: ownNames(options, 'only', all),
      creators: ownNumber(options, 'creators', { min: 10, max: 1_000 }),
      injections: ownNumber(options, 'injections', { min: 1, max: 1_000 }),
      rate: ownNumber(options, 'rate', { min: 0.1, max: 50, whole: false }),
      parallel: ownNumber(options, 'parallel', { min: 1, max: 16 }),
    }),
  );
}
