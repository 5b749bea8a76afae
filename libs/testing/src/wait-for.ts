import { setTimeout as wait } from 'node:timers/promises';

/**
 * Polls `condition` every 20 ms until it returns something true, and returns that. The default time-out is long, because a busy
 * machine is no failure. A test that guarantees a time gives its own `timeoutMs`.
 * @throws when `timeoutMs` have passed, saying `what` was waited for and the last error the condition threw
 */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  options: { timeoutMs?: number; everyMs?: number; what?: string } = {},
): Promise<NonNullable<T>> {
  const { timeoutMs = 30_000, everyMs = 20, what = 'the condition' } = options;
  const deadline = performance.now() + timeoutMs;
  let lastError: unknown;
  do {
    try {
      const result = await condition();
      if (result) return result;
      lastError = undefined;
    } catch (error) {
      lastError = error;
    }
    await wait(everyMs);
  } while (performance.now() < deadline);
  const reason = lastError instanceof Error ? `: ${lastError.message}` : '';
  throw new Error(`waited ${timeoutMs} ms for ${what}${reason}`, { cause: lastError });
}
