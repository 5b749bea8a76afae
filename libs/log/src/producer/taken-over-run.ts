import { pause } from '@tributary/runtime/backoff';
import { reasonOf } from '@tributary/runtime/reason';

/** A run that was abandoned because another process took its spool. */
export interface TakenOverRun {
  run: string;
  /** By partition: number of the last event on disk, and of the last that is not in memory too. */
  onDisk: readonly number[];
  onDiskAlone: readonly number[];
}

const LOOK_MS = 200;
/** Longest wait without progress for the process that took a run; after that the order of a creator's events is given up. */
const PATIENCE_MS = 10_000;

/**
 * Waits until the events up to `upTo` of an abandoned run are in Redis, by polling (`ask`: status and number of the last one).
 * @returns the number up to which they are; Infinity where another process has taken the run and appends all of them
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
      // While Redis is away no process can make progress, so this time does not count.
      onAway(reasonOf(error));
    }
    if (appended < upTo) await pause(LOOK_MS, signal);
  }
  return isTaken ? Infinity : appended;
}
