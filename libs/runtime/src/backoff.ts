import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';

/** Bounds of a retry loop. */
export interface BackoffBounds {
  firstMs: number;
  maxMs: number;
}

/**
 * Full-jitter delay before attempt `attempt` (0-based): uniform in [0, min(maxMs, firstMs * 2^attempt)], never
 * below a tenth of that cap, so that a loop cannot spin. In ms.
 */
export function backoffMs(attempt: number, { firstMs, maxMs }: BackoffBounds): number {
  const cap = Math.min(maxMs, firstMs * 2 ** Math.min(attempt, 30));
  return Math.round(cap * (0.1 + 0.9 * Math.random()));
}

/** Sleeps `ms`; returns false at once when `signal` aborts, so that loops can end instead of throwing. */
export async function pause(ms: number, signal?: AbortSignal): Promise<boolean> {
  if (signal?.aborted) return false;
  // Many loops sleep on the one signal that ends a process; Node would report more than ten listeners as a leak.
  if (signal) setMaxListeners(0, signal);
  try {
    await delay(ms, undefined, { signal });
    return true;
  } catch {
    return false;
  }
}
