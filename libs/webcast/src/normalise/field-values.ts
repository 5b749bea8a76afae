/** NUL, which PostgreSQL's jsonb refuses, and surrogates without a partner, which no UTF-8 can hold. */
const UNSTORABLE = /[\0\p{Surrogate}]/u;
const NULS = /\0/g;
const LONE_SURROGATES = /\p{Surrogate}/gu;

const ID_LENGTH_MAX = 64;

/** Earliest and latest moment a field can mean: 2016, when TikTok began, and 2100. */
const EARLIEST_MS = Date.UTC(2016, 0, 1);
const LATEST_MS = Date.UTC(2100, 0, 1);

/** Text without the characters that PostgreSQL or UTF-8 refuse. */
export function storable(value: string): string {
  return UNSTORABLE.test(value) ? value.replace(NULS, '').replace(LONE_SURROGATES, '\ufffd') : value;
}

/** ms since 1970 from a number in seconds, ms, µs or ns, as TikTok mixes them; undefined when it is no date from 2016 to 2100. */
export function epochMs(value: string | number): number | undefined {
  let ms = Number(value);
  if (!(ms > 0)) return undefined;
  if (ms < 1e11) ms *= 1e3;
  else if (ms >= 1e17) ms /= 1e6;
  else if (ms >= 1e14) ms /= 1e3;
  return ms >= EARLIEST_MS && ms < LATEST_MS ? Math.floor(ms) : undefined;
}

/** A 64-bit count as a number: never below 0, exact up to 2^53. */
export function count(value: string | number): number {
  const number = typeof value === 'number' ? value : Number(value);
  if (!(number > 0)) return 0;
  return number < Number.MAX_SAFE_INTEGER ? Math.floor(number) : Number.MAX_SAFE_INTEGER;
}

/** A count, or undefined where the payload has none. */
export function countIfAny(value: string | number | undefined): number | undefined {
  return (value !== undefined && count(value)) || undefined;
}

/** ISO time of a TikTok instant in any unit, or undefined. */
export function instant(value: string | number | undefined): string | undefined {
  const ms = value === undefined ? undefined : epochMs(value);
  return ms === undefined ? undefined : new Date(ms).toISOString();
}

/** A decimal id, or undefined for TikTok's "none" (`0` and empty). */
export function idIfAny(value: string | number | undefined): string | undefined {
  return value === undefined || value === '' || value === '0' || value === 0 ? undefined : storable(String(value)).slice(0, ID_LENGTH_MAX);
}

/** The word for one of TikTok's codes; `other` for a code that it added later. */
export function wordOf<const W extends string>(words: readonly W[], code: number): W | 'other' {
  return words[code] ?? 'other';
}
