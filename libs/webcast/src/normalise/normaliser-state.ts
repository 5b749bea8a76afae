import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';

const Whole = Type.Integer({ minimum: 0 });
const Flag = Type.Union([Type.Literal(0), Type.Literal(1)]);
const SavedState = Type.Object({
  /** Version of this shape. State of another version is ignored, and the holder starts without it. */
  v: Type.Literal(1),
  room: Type.String(),
  likes: Type.Tuple([Whole, Whole]),
  runs: Type.Array(Type.Tuple([Type.String(), Whole, Whole, Flag])),
  /** A former version neither writes nor reads it. */
  byReceiver: Type.Optional(Type.Array(Type.Tuple([Type.String(), Whole, Whole, Flag, Type.String()]))),
});

/** The state with which the next holder of a creator continues to count: like totals and gift streaks of the room. */
export type SavedState = Static<typeof SavedState>;

export function encodeNormaliserState(room: string, likes: SavedState['likes'], gifts: Pick<SavedState, 'runs' | 'byReceiver'>): string {
  return JSON.stringify({ v: 1, room, likes, ...gifts } satisfies SavedState);
}

/** Reads a saved state; undefined when it is of another version or cannot be read. */
export function decodeNormaliserState(text: string): SavedState | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  return Value.Check(SavedState, value) ? value : undefined;
}
