import type { Draw } from '../engine/draw.js';

/** Something of the code base that reads a text which somebody else wrote. */
export interface Parser {
  readonly name: string;
  /** A text that must be taken. */
  example(draw: Draw): string;
  /** What the text says; undefined where it is refused. It may throw a typed error (Problem, SignError), and nothing else. */
  read(text: string): unknown;
  /** What is wrong with a value that was taken. `original` is the example that `text` was made from. */
  judge?(value: unknown, text: string, original: string): string | undefined;
}

/** A parser, with the type of its values. */
export function parser<V>(one: {
  name: string;
  example: (draw: Draw) => string;
  read: (text: string) => V | undefined | Promise<V | undefined>;
  judge?: (value: V, text: string, original: string) => string | undefined;
}): Parser {
  return one;
}

/** A whole number in which short ones are as likely as long ones. */
export const anyWhole = (draw: Draw): number => Math.floor(2 ** (draw.below(53_000) / 1_000));

/** An id of TikTok: seconds in its upper half. */
export const snowflake = (draw: Draw): string =>
  ((BigInt(draw.between(1_500_000_000, 1_900_000_000)) << 32n) | BigInt(draw.below(2 ** 32))).toString();

/** Letters and digits. */
export const word = (draw: Draw, length: number): string =>
  Array.from({ length }, () => draw.pick([...'abcdefghjkmnpqrstvwxyz0123456789'])).join('');
