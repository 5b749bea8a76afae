/** A timer takes no more than 2^31 ms; longer waits are cut. */
const WAIT_MS_MAX = 3_600_000;

export interface UntilOptions {
  /** Events received at or after this time, ms since 1970, are not wanted. */
  until: number;
  /** How long after `until` events that were received before it may still be stored, in ms. */
  lateMs: number;
  /** Between two looks at how far the stream is, in ms. */
  everyMs: number;
  /** The head of the log, and what it is a number of. */
  head: () => { generation: number; seq: number };
  /** Up to where the stream has given everything. */
  reached: () => number;
  onEnd: () => void;
}

/**
 * Ends a stream once everything before `until` was given: when that is past, what is stored by then is read to its end first.
 * @returns what ends the waiting
 */
export function endAt({ until, lateMs, everyMs, head, reached, onEnd }: UntilOptions): () => void {
  let timer: NodeJS.Timeout;
  let target: { generation: number; seq: number } | undefined;
  const look = () => {
    const leftMs = until + lateMs - Date.now();
    if (leftMs > 0) {
      timer = setTimeout(look, Math.min(leftMs, WAIT_MS_MAX));
      return;
    }
    const now = head();
    // A number of a generation that is over may never be reached.
    if (target?.generation !== now.generation) target = now;
    if (reached() >= target.seq) onEnd();
    else timer = setTimeout(look, everyMs);
  };
  timer = setTimeout(look, 0);
  return () => clearTimeout(timer);
}
