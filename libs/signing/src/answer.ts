import { ProtoMessageFetchResult } from 'tiktok-live-proto/v3';
import type { AnswerFault } from './signer.js';

/** `<` and `{`: a page or JSON in place of protobuf. As protobuf both would be groups, which TikTok does not use, and would decode to nothing. */
const NOT_PROTOBUF = new Set([0x3c, 0x7b]);
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
    if (ProtoMessageFetchResult.decode(fetchResult).cursor === '') return 'empty-cursor';
  } catch {
    return 'undecodable';
  }
  return cookies === '' ? 'missing-cookie' : undefined;
}

/** ms from a `Retry-After` header (seconds or HTTP date), else from `x-ratelimit-reset` (unix seconds); undefined without either. */
export function retryAfterMs(headers: { get(name: string): string | null }, now = Date.now()): number | undefined {
  const after = headers.get('retry-after');
  if (after && /^\d{1,7}$/.test(after.trim())) return Number(after) * 1000;
  const at = after ? Date.parse(after) : Number(headers.get('x-ratelimit-reset') ?? Number.NaN) * 1000;
  return Number.isFinite(at) && at > now ? at - now : undefined;
}
