import { TEXT_LENGTH_MAX } from '@tributary/events';
import { type Picture, pictureAddress } from './pictures.js';

/** NUL, which PostgreSQL's jsonb refuses, and surrogates without a partner, which no UTF-8 can hold. */
const UNSTORABLE = /[\0\p{Surrogate}]/u;
const NULS = /\0/g;
const LONE_SURROGATES = /\p{Surrogate}/gu;

/** Longest list in a typed shape. TikTok sends up to 50 ranks; payloads have at most 50 KB. */
export const LIST_LENGTH_MAX = 100;
const ID_LENGTH_MAX = 64;

/** Earliest and latest moment a field can mean: 2016, when TikTok began, and 2100. */
const EARLIEST_MS = Date.UTC(2016, 0, 1);
const LATEST_MS = Date.UTC(2100, 0, 1);

/** Text without what no store takes. */
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

/** Bounds the strings and lists of one message, and remembers whether anything was cut. */
export class Trimmer {
  /** Set by a cut since {@link reset}; a field that its event carries as `truncated`. */
  cut = false;

  reset(): void {
    this.cut = false;
  }

  text(value: string): string {
    if (value.length > TEXT_LENGTH_MAX) {
      this.cut = true;
      value = value.slice(0, TEXT_LENGTH_MAX);
    }
    return storable(value);
  }

  textIfAny(value: string | undefined): string | undefined {
    return value ? this.text(value) : undefined;
  }

  /** The best address of a picture that TikTok sends in several forms; the `uri` beside them is none. */
  image(...pictures: (Picture | undefined)[]): string | undefined {
    return this.textIfAny(pictureAddress(pictures));
  }

  list<T, R>(values: readonly T[], map: (value: T) => R): R[] {
    if (values.length <= LIST_LENGTH_MAX) return values.map(map);
    this.cut = true;
    return values.slice(0, LIST_LENGTH_MAX).map(map);
  }

  /** A list that is absent when empty. */
  listIfAny<T, R>(values: readonly T[], map: (value: T) => R): R[] | undefined {
    return values.length === 0 ? undefined : this.list(values, map);
  }
}

/** The word for one of TikTok's codes; `other` for a code that it added later. */
export function wordOf<const W extends string>(words: readonly W[], code: number): W | 'other' {
  return words[code] ?? 'other';
}
