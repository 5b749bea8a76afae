import { setMaxListeners } from 'node:events';

/**
 * Calls `listener` once when `signal` aborts; the returned function removes it. Thousands of connects may wait on one
 * shutdown signal, which Node would otherwise report on the console as a leak.
 */
export function onAbort(signal: AbortSignal, listener: () => void): () => void {
  setMaxListeners(0, signal);
  signal.addEventListener('abort', listener, { once: true });
  return () => signal.removeEventListener('abort', listener);
}

/**
 * Resolves as `work` does, and rejects as soon as `signal` aborts. An HTTP client may delay an abort until it is connected,
 * and a dial that nobody answers never connects.
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
