import { Problem } from '@tributary/runtime';
import { SignError } from '../../../apps/signer/src/http/answer.js';
import type { Fault, FuzzTarget } from '../engine/campaign.js';
import { hostileText } from '../engine/hostile.js';
import { mutatedText } from '../engine/mutate.js';
import { shorterTexts } from '../engine/shrink.js';
import { API_PARSERS } from './api-parsers.js';
import type { Parser } from './parser.js';
import { WIRE_PARSERS } from './wire-parsers.js';

export const PARSERS: readonly Parser[] = [...API_PARSERS, ...WIRE_PARSERS];

export interface ParserInput {
  parser: Parser;
  text: string;
  original: string;
}

/** No text is as long as that what reads it may take this many ms; the machine may be busy, so that it must do so thrice. */
const READ_MS_MAX = 250;
const TRIES = 3;

/** Every parser of a cursor, an id or a foreign text: what it takes comes back, what it refuses is refused by a typed error. */
export class CursorsTarget implements FuzzTarget<ParserInput> {
  readonly name = 'cursors';
  /** How many texts each parser took and refused. */
  readonly counts = new Map(PARSERS.map(({ name }) => [name, { taken: 0, refused: 0 }]));

  make(...[draw, number]: Parameters<FuzzTarget<ParserInput>['make']>): ParserInput {
    const parser = PARSERS[number % PARSERS.length]!;
    const original = parser.example(draw);
    const text = draw.weighted([
      [2, () => original],
      [6, () => mutatedText(original, draw)],
      [1, () => hostileText(draw)],
      [1, () => original + parser.example(draw)],
    ])();
    return { parser, text, original };
  }

  async feed({ parser, text, original }: ParserInput): Promise<Fault | undefined> {
    const { name } = parser;
    let value: unknown;
    const began = performance.now();
    try {
      value = await parser.read(text);
    } catch (error) {
      if (!(error instanceof Problem || error instanceof SignError))
        return { kind: `${name}: it threw`, detail: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    }
    if (performance.now() - began > READ_MS_MAX && (await isSlow(parser, text)))
      return { kind: `${name}: it is slow`, detail: `more than ${READ_MS_MAX} ms for ${text.length} characters` };
    const counts = this.counts.get(name)!;
    if (value === undefined) counts.refused += 1;
    else counts.taken += 1;
    if (value === undefined && text === original) return { kind: `${name}: it refuses its own`, detail: JSON.stringify(text) };
    const problem = value === undefined ? undefined : parser.judge?.(value, text, original);
    return problem ? { kind: `${name}: ${problem}`, detail: JSON.stringify({ text, value }).slice(0, 1_000) } : undefined;
  }

  *smaller(input: ParserInput): Generator<ParserInput> {
    for (const text of shorterTexts(input.text)) yield { ...input, text };
  }

  show({ parser, text, original }: ParserInput): string {
    return `${parser.name}: ${JSON.stringify(text)} (made from ${JSON.stringify(original)})`;
  }
}

async function isSlow(parser: Parser, text: string): Promise<boolean> {
  for (let tries = 1; tries < TRIES; tries++) {
    const began = process.cpuUsage();
    await Promise.resolve()
      .then(() => parser.read(text))
      .catch(() => undefined);
    const { user, system } = process.cpuUsage(began);
    if ((user + system) / 1_000 < READ_MS_MAX) return false;
  }
  return true;
}
