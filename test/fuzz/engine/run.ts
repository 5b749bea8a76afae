import { finish, ownNumber, readOptions, type RunOptions, table } from '@tributary/testing';
import { type CampaignResult, type Failure, type FuzzTarget, runCampaign } from './campaign.js';
import { KeptSeeds } from './kept-seeds.js';

export interface FuzzOptions extends RunOptions {
  count: number;
  only: number | undefined;
  parallel: number;
}

/** What a program of this folder is. */
export interface FuzzProgram {
  name: 'rest' | 'sign' | 'cursors' | 'frames';
  about: string;
  /** Inputs of a whole run. */
  count: number;
  /** Inputs under way at a time. */
  parallel: number;
  /** Inputs between two rests. */
  restEvery?: number;
}

const COUNT_MAX = 100_000_000;
const SECONDS = 7_200;

/** Reads the command line; what is wrong ends the process with one line that names the option. */
export function readFuzzOptions({ name, about, count, parallel }: FuzzProgram): FuzzOptions {
  return readOptions(
    {
      command: `npm run fuzz -- ${name}`,
      about,
      seconds: SECONDS,
      secondsAbout: 'time it may take at most; inputs that are not fed by then fail the run',
      own: {
        count: { default: String(count), about: 'inputs' },
        only: { default: '', about: 'feeds the input of this number alone' },
        parallel: { default: String(parallel), about: 'inputs under way at a time' },
      },
      more: 'An input depends on the seed and its number alone. What failed is kept in .tributary/fuzz and fed first by the next run.',
    },
    (options) => ({
      count: ownNumber(options, 'count', { min: 1, max: COUNT_MAX }),
      only: options.own.only === '' ? undefined : ownNumber(options, 'only', { min: 0, max: COUNT_MAX }),
      parallel: ownNumber(options, 'parallel', { min: 1, max: 64 }),
    }),
  );
}

/** Runs a target as the options say, prints what came of it, and sets the exit code. `measures` are asked for at the end. */
export async function runProgram<I>(
  { name, restEvery }: FuzzProgram,
  options: FuzzOptions,
  target: FuzzTarget<I>,
  measures: () => { rows: Record<string, string | number>; failures: string[] },
): Promise<void> {
  const { seed, count, only, parallel, seconds } = options;
  const result = await runCampaign(target, { seed, count, only, parallel, restEvery, msMax: seconds * 1_000, kept: new KeptSeeds(name) });
  const { rows, failures } = measures();
  const summary = { target: name, seed, inputs: result.inputs, ...pace(result), ...rows };
  finish(
    options,
    { ...summary, found: result.failures },
    [table([summary]), ...result.failures.map((failure) => describe(name, failure))].join('\n\n'),
    [
      ...result.failures.map(
        ({ kind, seed: of, number, more }) => `${kind} (seed ${of}, number ${number}${more > 0 ? `, and ${more} more` : ''})`,
      ),
      ...failures,
      ...(result.isComplete ? [] : [`only ${result.inputs} of ${count} inputs were fed`]),
    ],
  );
}

function pace({ inputs, ms }: CampaignResult): Record<string, number> {
  return { seconds: Math.round(ms / 100) / 10, 'seconds per 10,000': Math.round((ms / Math.max(1, inputs)) * 100) / 10 };
}

/** A failure with the command that repeats it. */
export function describe(name: string, { kind, detail, seed, number, input }: Failure): string {
  const again = number < 0 ? '' : `\n  again: npm run fuzz -- ${name} --seed ${seed} --only ${number}`;
  return `${kind}\n  ${detail.replaceAll('\n', '\n  ')}${again}\n  input: ${input.replaceAll('\n', '\n         ')}`;
}
