import { setMaxListeners } from 'node:events';

/**
 * Calls `listener` once when `signal` aborts; the returned function takes that back. Thousands of connects may wait on
 * one shutdown signal, which Node would otherwise report on the console as a leak.
 */
export function onAbort(signal: AbortSignal, listener: () => void): () => void {
  setMaxListeners(0, signal);
  signal.addEventListener('abort', listener, { once: true });
  return () => signal.removeEventListener('abort', listener);
}

/**
 * What `work` gives, but never later than `signal` aborts, which throws its reason: an HTTP client may hold back an abort
 * until it has a connection, and an unanswered dial is none.
 */
export async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let ignoreAbort: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    const abort = () => reject(signal.reason instanceof Error ? signal.reason : new Error('aborted'));
    if (signal.aborted) abort();
    else ignoreAbort = onAbort(signal, abort);
  });
  work.catch(() => undefined);
  try {
    return await Promise.race([work, aborted]);
  } finally {
    ignoreAbort();
  }
}
