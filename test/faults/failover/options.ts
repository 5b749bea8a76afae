import { ownNames, ownNumber, readOptions, type RunOptions } from '@tributary/testing';
import type { Kind } from './kinds/kind.js';

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

/** Reads the command line; what is wrong ends the process with one line. */
export function readFailoverOptions(all: readonly Kind[]): FailoverOptions {
  const width = Math.max(...all.map(({ name }) => name.length));
  return readOptions(
    {
      command: 'npm run faults -- failover',
      about:
        'PostgreSQL and Redis replaced by older copies, silent peers, full disks, frozen workers: an account of every message,\ndelivery and live reader',
      seconds: SECONDS,
      secondsAbout: `time for the whole run, about: each kind is injected up to ${INJECTIONS} times, and at least once`,
      own: {
        only: { default: '', value: 'NAMES', about: 'kinds to run, with commas between; all of them otherwise' },
        injections: { default: '0', about: 'how often each kind is injected, whatever the time; 0: as the time allows' },
        creators: { default: '24', about: 'creators of each stack' },
        rate: { default: '2', about: 'messages a second of nine rooms in ten; the tenth gets four times as many' },
        parallel: { default: '2', about: 'kinds run at once, each on a stack of its own' },
      },
      more: `kinds:\n${all.map(({ name, title }) => `  ${name.padEnd(width)}  ${title}`).join('\n')}`,
    },
    (options) => {
      const kinds = ownNames(options, 'only', all);
      const parallel = ownNumber(options, 'parallel', { min: 1, max: 8 });
      const given = ownNumber(options, 'injections', { min: 0, max: 40 });
      return {
        kinds,
        injections: given || affordable(kinds, options.seconds * parallel),
        creators: ownNumber(options, 'creators', { min: 16, max: 500 }),
        rate: ownNumber(options, 'rate', { min: 0.1, max: 50, whole: false }),
        parallel,
      };
    },
  );
}

function affordable(kinds: readonly Kind[], seconds: number): number {
  const overhead = kinds.length * OVERHEAD_SECONDS;
  const each = kinds.reduce((sum, kind) => sum + kind.seconds, 0);
  return Math.max(1, Math.min(INJECTIONS, Math.floor((seconds - overhead) / each)));
}
