import { Draw } from './draw.js';
import { KeptSeeds } from './kept-seeds.js';
import { shrunk } from './shrink.js';

/** What is wrong with the outcome of one input. `kind` stays the same while an input is made smaller. */
export interface Fault {
  kind: string;
  detail: string;
}

/** Something that is fed with inputs. */
export interface FuzzTarget<I> {
  readonly name: string;
  /** Makes one input; the same draws give the same input. */
  make(draw: Draw, number: number): I;
  /** Feeds an input. Undefined when everything is as it should be. What it throws is a fault too. */
  feed(input: I): Promise<Fault | undefined> | Fault | undefined;
  /** Smaller forms of an input, the smallest first. */
  smaller(input: I): Iterable<I>;
  /** An input for people to read, on a line or a few. */
  show(input: I): string;
  /** Now and then, with nothing under way: looks after what the target needs, measures, and says what is wrong. */
  rest?(done: number): Promise<Fault | undefined>;
}

export interface CampaignOptions {
  seed: number;
  /** How many inputs. */
  count: number;
  /** Feeds this number alone. */
  only?: number;
  /** Ends the run after this time, whatever was reached, in ms. */
  msMax: number;
  /** Inputs under way at a time. */
  parallel?: number;
  /** Inputs between two rests; 1,000 when missing. */
  restEvery?: number;
  /** Where failed inputs are kept; nowhere when missing. */
  kept?: KeptSeeds;
}

/** A failed input, as small as it was made. */
export interface Failure extends Fault {
  seed: number;
  /** -1 for what was found at rest. */
  number: number;
  input: string;
  /** Further inputs that failed in the same way. */
  more: number;
}

export interface CampaignResult {
  inputs: number;
  ms: number;
  failures: Failure[];
  /** Whether all inputs that were asked for were fed. */
  isComplete: boolean;
}

const FAILURES_MAX = 20;
const REST_EVERY = 1_000;
const SHRINK = { triesMax: 2_000, msMax: 20_000 };

/** Feeds a target with inputs of one seed, one after another or several at a time, and shrinks what fails. */
export async function runCampaign<I>(target: FuzzTarget<I>, options: CampaignOptions): Promise<CampaignResult> {
  const { seed, only, count, kept, parallel = 1, restEvery = REST_EVERY } = options;
  const began = Date.now();
  const found = new Map<string, Failure & { raw?: { input: I } }>();
  let inputs = 0;
  const one = async (ofSeed: number, number: number) => {
    const input = target.make(new Draw(ofSeed, number), number);
    const fault = await faultOf(target, input);
    inputs += 1;
    if (fault) note(found, { ...fault, seed: ofSeed, number, input: '', more: 0, raw: { input } });
  };
  const rest = async (done: number) => {
    const fault = await target.rest?.(done);
    if (fault) note(found, { ...fault, seed, number: -1, input: 'found at rest', more: 0 });
  };

  await rest(0);
  for (const { seed: ofSeed, number } of only === undefined ? (kept?.read() ?? []) : []) await one(ofSeed, number);
  const last = only === undefined ? count : only + 1;
  const isOver = () => found.size >= FAILURES_MAX || Date.now() - began > options.msMax;
  let number = only ?? 0;
  while (number < last && !isOver()) {
    const end = Math.min(last, number + restEvery);
    await Promise.all(
      Array.from({ length: Math.min(parallel, end - number) }, async () => {
        while (number < end && !isOver()) await one(seed, number++);
      }),
    );
    await rest(inputs);
  }
  const ms = Date.now() - began;
  const failures: Failure[] = [];
  for (const { raw, ...failure } of found.values()) failures.push({ ...failure, input: await smallest(target, failure, raw) });
  if (only === undefined)
    kept?.write(failures.filter((failure) => failure.number >= 0).map(({ seed: of, number: n, kind }) => ({ seed: of, number: n, kind })));
  return { inputs, ms, failures, isComplete: number >= last };
}

async function faultOf<I>(target: FuzzTarget<I>, input: I): Promise<Fault | undefined> {
  try {
    return await target.feed(input);
  } catch (error) {
    return { kind: 'threw', detail: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

/** Only the first of each kind is kept: one fault would fill the list otherwise. */
function note<F extends Failure>(found: Map<string, F>, failure: F): void {
  const before = found.get(failure.kind);
  if (before) before.more += 1;
  else found.set(failure.kind, failure);
}

async function smallest<I>(target: FuzzTarget<I>, { kind, input }: Failure, raw: { input: I } | undefined): Promise<string> {
  if (raw === undefined) return input;
  const fails = async (candidate: I) => (await faultOf(target, candidate))?.kind === kind;
  return target.show(await shrunk(raw.input, (one) => target.smaller(one), fails, SHRINK));
}
