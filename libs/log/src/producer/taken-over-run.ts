import { pause } from '@tributary/runtime/backoff';
import { reasonOf } from '@tributary/runtime/reason';

/** A run that was left to whoever took its spool. */
export interface TakenOverRun {
  run: string;
  /** By partition: number of the last event on disk, and of the last that is not in memory too. */
  onDisk: readonly number[];
  onDiskAlone: readonly number[];
}

const LOOK_MS = 200;
/** A taker that brings no event of a run nearer for this long is not waited for: the order of a creator's events is worth no more. */
const PATIENCE_MS = 10_000;

/**
 * Waits until events up to `upTo` of a left run are in Redis, by asking there (`ask`: status and number of the last one).
 * @returns the number up to which they are; Infinity where somebody has taken the run, and brings them all
 */
export async function waitUntilInRedis(
  upTo: number,
  ask: () => Promise<unknown>,
  { signal, onAway }: { signal: AbortSignal; onAway: (reason: string) => void },
): Promise<number> {
  let appended = upTo === 0 ? 0 : -1;
  let isTaken = false;
  for (let patienceMs = PATIENCE_MS; appended < upTo && patienceMs > 0 && !signal.aborted;) {
    try {
      const [status, known] = (await ask()) as [string, number];
      isTaken ||= status === 'TAKEN';
      patienceMs = known > appended ? PATIENCE_MS : patienceMs - LOOK_MS;
      appended = known;
    } catch (error) {
      // Nobody brings anything to a Redis that is away, so that this time does not count.
      onAway(reasonOf(error));
    }
    if (appended < upTo) await pause(LOOK_MS, signal);
  }
  return isTaken ? Infinity : appended;
}
