import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { readRetryAfter, RETRY_AFTER_MS_MAX } from '@tributary/runtime/retry-after';
import type { AnswerFault } from './signer.js';

/** `<` and `{`: a page or JSON in place of protobuf. As protobuf both would be groups, which TikTok does not use, and would decode to nothing. */
const NOT_PROTOBUF = new Set([0x3c, 0x7b]);
/** Field of `ProtoMessageFetchResult`. */
const CURSOR_FIELD = 2;
/** Ten times the messages that a worker takes; two million empty ones would fit into the largest answer. */
const FIELDS_MAX = 100_000;
/** Bound of `x-ratelimit-reset`; a number of seconds has 10 characters. */
const HEADER_LENGTH_MAX = 100;
const COOKIE_ATTRIBUTES = new Set(['path', 'domain', 'expires', 'max-age', 'httponly', 'secure', 'samesite', 'partitioned', 'priority']);

/**
 * Reads `name=value` pairs out of a `Set-Cookie` or `Cookie` style text and joins them as `a=1; b=2`, attributes
 * dropped, `ttwid` first: client libraries keep the first pair only.
 */
export function cookiePairs(...texts: string[]): string {
  const pairs = new Map<string, string>();
  for (const part of texts.flatMap((text) => text.split(';'))) {
    const pair = part.trim();
    const equals = pair.indexOf('=');
    if (equals < 1) continue;
    const name = pair.slice(0, equals);
    if (!COOKIE_ATTRIBUTES.has(name.toLowerCase())) pairs.set(name, pair.slice(equals + 1));
  }
  const ordered = [...pairs].sort(([a], [b]) => Number(b === 'ttwid') - Number(a === 'ttwid'));
  return ordered.map(([name, value]) => `${name}=${value}`).join('; ');
}

/** What is wrong with a connect bundle; undefined when a client can connect with it. An empty 200 is the usual sign of a block. */
export function bundleFault(fetchResult: Uint8Array, cookies: string): AnswerFault | undefined {
  if (fetchResult.length === 0) return 'empty-body';
  if (NOT_PROTOBUF.has(fetchResult[0] ?? 0)) return 'undecodable';
  try {
    if (cursorOf(fetchResult) === '') return 'empty-cursor';
  } catch {
    return 'undecodable';
  }
  return cookies === '' ? 'missing-cookie' : undefined;
}

/** The cursor of a fetch result; its messages are skipped. @throws Error when the bytes are not one, or have too many fields */
function cursorOf(fetchResult: Uint8Array): string {
  const reader = new BinaryReader(fetchResult);
  let cursor = '';
  for (let fields = 0; reader.pos < reader.len; fields += 1) {
    if (fields >= FIELDS_MAX) throw new RangeError(`more than ${FIELDS_MAX} fields`);
    const [field, wireType] = reader.tag();
    if (field === CURSOR_FIELD && wireType === WireType.LengthDelimited) cursor = reader.string();
    else reader.skip(wireType, field);
  }
  return cursor;
}

/**
 * ms from a `Retry-After` header (seconds or HTTP date), else from `x-ratelimit-reset` (unix seconds), at most a day; undefined
 * without either.
 */
export function retryAfterMs(headers: { get(name: string): string | null }, now = Date.now()): number | undefined {
  const after = headers.get('retry-after');
  if (after) return readRetryAfter(after, now);
  const at = Number(headers.get('x-ratelimit-reset')?.slice(0, HEADER_LENGTH_MAX) ?? Number.NaN) * 1_000;
  return at > now ? Math.min(at - now, RETRY_AFTER_MS_MAX) : undefined;
}
