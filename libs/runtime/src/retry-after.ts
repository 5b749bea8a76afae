const LENGTH_MAX = 100;
/** One answer keeps nobody away for longer than a day. */
export const RETRY_AFTER_MS_MAX = 86_400_000;

/**
 * Reads the header `Retry-After`, a number of seconds or a date of HTTP, as ms from `now`: 0 to {@link RETRY_AFTER_MS_MAX}.
 * A date in the past is 0. Undefined for a header that is missing or is neither.
 */
export function readRetryAfter(header: string | readonly string[] | null | undefined, now = Date.now()): number | undefined {
  const first = typeof header === 'string' ? header : header?.[0];
  const text = first?.slice(0, LENGTH_MAX).trim() ?? '';
  if (/^\d+$/.test(text)) return Math.min(Number(text) * 1_000, RETRY_AFTER_MS_MAX);
  // The three date forms of HTTP all begin with the name of a day; Date.parse takes too many other texts for dates.
  if (!/^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)/i.test(text)) return undefined;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.min(Math.max(0, at - now), RETRY_AFTER_MS_MAX);
}
