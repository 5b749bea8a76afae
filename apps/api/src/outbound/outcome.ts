/** Why an attempt failed, as users see it: nothing in it tells more about the network than they may know. */
export const FAILURE_CATEGORIES = [
  'dns',
  'blocked_address',
  'connect',
  'tls',
  'timeout',
  'reset',
  'response',
  'redirect',
  'throttled',
  'gone',
  'status',
] as const;
export type FailureCategory = (typeof FAILURE_CATEGORIES)[number];

/** What came of one request. Only 2xx has no category. */
export interface Outcome {
  category?: FailureCategory;
  /** Absent where no answer came. */
  status?: number;
  latencyMs: number;
  /** `Retry-After` of the answer, as ms from its arrival. */
  retryAfterMs?: number;
  /** Headers of the answer that help to find out what went wrong. */
  headers: Record<string, string>;
  /** The first bytes of the answer as text. */
  body: string;
}

/** Statuses by which a receiver says that it is overloaded. */
const THROTTLING = new Set([429, 502, 504]);
const SHOWN_HEADERS = new Set([
  ...['content-type', 'location', 'retry-after', 'server', 'date', 'via', 'cf-ray', 'x-request-id', 'www-authenticate', 'allow'],
  ...['webhook-allowed-origin', 'webhook-allowed-rate'],
]);
const SHOWN_CHARACTERS_MAX = 500;

/** The category of an answer by its status; undefined is success. */
export function categoryOfStatus(status: number): FailureCategory | undefined {
  if (status >= 200 && status < 300) return undefined;
  if (status === 410) return 'gone';
  if (THROTTLING.has(status)) return 'throttled';
  return status >= 300 && status < 400 ? 'redirect' : 'status';
}

/** The headers of an answer that are kept with the attempt, bounded. */
export function shownHeaders(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  const shown: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined && SHOWN_HEADERS.has(name)) shown[name] = printable(String(value).slice(0, SHOWN_CHARACTERS_MAX));
  }
  return shown;
}

/** Text that PostgreSQL's jsonb takes: it refuses NUL and half of a surrogate pair, which a text that was cut may end with. */
export function printable(text: string): string {
  return text.replace(/[\0\p{Cs}]/gu, '\u{FFFD}');
}
