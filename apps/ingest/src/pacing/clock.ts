import { pause } from '@tributary/runtime/backoff';

/** Time as the worker's parts see it, so that a test can move it. */
export interface Clock {
  /** ms since 1970. */
  now(): number;
  /** Resolves true after `ms`, false at once when `signal` aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<boolean>;
}

export const systemClock: Clock = { now: () => Date.now(), sleep: (ms, signal) => pause(ms, signal) };

/** Waits for `work`, but no longer than `ms`. */
export async function within(ms: number, work: Promise<unknown> | undefined): Promise<void> {
  const over = new AbortController();
  await Promise.race([work, systemClock.sleep(ms, over.signal)]);
  over.abort();
}
