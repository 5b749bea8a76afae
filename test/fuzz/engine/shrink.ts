import { isDeepStrictEqual } from 'node:util';

/** What can be cut: a text, bytes, or a list. */
interface Sliceable<T> {
  readonly length: number;
  slice(from: number, to?: number): T;
}

/**
 * Shorter ones of a sequence, the shortest first: each half left out, then each quarter, and so on down to single items.
 * @param join puts two parts together
 */
export function* halves<T extends Sliceable<T>>(whole: T, join: (head: T, tail: T) => T): Generator<T> {
  for (let size = Math.ceil(whole.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2))
    for (let at = 0; at < whole.length; at += size) yield join(whole.slice(0, at), whole.slice(at + size));
}

/** {@link halves} of a text. */
export const shorterTexts = (text: string): Generator<string> => halves(text, (head, tail) => head + tail);
/** {@link halves} of bytes. */
export const shorterBytes = (bytes: Buffer): Generator<Buffer> =>
  halves<Buffer>(Buffer.from(bytes), (head, tail) => Buffer.concat([head, tail]));
/** {@link halves} of a list. */
export const shorterLists = <T>(list: T[]): Generator<T[]> => halves<T[]>(list, (head, tail) => [...head, ...tail]);

/**
 * The smallest input that was found to fail in the same way. It takes the first smaller one that does, and starts again from there.
 * @param smaller candidates, the smallest first
 * @param fails whether a candidate fails in the same way
 * @param bounds how many candidates may be tried, and for how long, in ms
 */
export async function shrunk<I>(
  input: I,
  smaller: (input: I) => Iterable<I>,
  fails: (input: I) => Promise<boolean>,
  bounds: { triesMax: number; msMax: number },
): Promise<I> {
  const until = Date.now() + bounds.msMax;
  let tries = 0;
  // After a find it goes on at the same place: parts of the sizes before were tried. Only a round from the start ends it.
  for (let from = 0, isWholeRound = true; ;) {
    let found: { input: I; at: number } | undefined;
    let at = -1;
    for (const candidate of smaller(input)) {
      at += 1;
      if (at < from) continue;
      if (tries++ >= bounds.triesMax || Date.now() > until) return input;
      if (isDeepStrictEqual(candidate, input) || !(await fails(candidate))) continue;
      found = { input: candidate, at };
      break;
    }
    if (!found && isWholeRound) return input;
    isWholeRound = !found;
    from = found?.at ?? 0;
    input = found?.input ?? input;
  }
}
