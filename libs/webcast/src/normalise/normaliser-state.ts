import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';

const Whole = Type.Integer({ minimum: 0 });
const Flag = Type.Union([Type.Literal(0), Type.Literal(1)]);
const Carry = Type.Object({
  /** Version of this shape: another one is not read, and the holder starts without. */
  v: Type.Literal(1),
  room: Type.String(),
  likes: Type.Tuple([Whole, Whole]),
  runs: Type.Array(Type.Tuple([Type.String(), Whole, Whole, Flag])),
  /** A former version neither writes nor reads it. */
  byReceiver: Type.Optional(Type.Array(Type.Tuple([Type.String(), Whole, Whole, Flag, Type.String()]))),
});

/** What the next holder of a creator must know to count on: like totals and gift runs of the room. */
export type Carry = Static<typeof Carry>;

export function encodeNormaliserState(room: string, likes: Carry['likes'], gifts: Pick<Carry, 'runs' | 'byReceiver'>): string {
  return JSON.stringify({ v: 1, room, likes, ...gifts } satisfies Carry);
}

/** Reads a carry; undefined when it is of another version or no carry at all. */
export function decodeNormaliserState(text: string): Carry | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  return Value.Check(Carry, value) ? value : undefined;
}
