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
