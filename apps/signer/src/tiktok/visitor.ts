import { cookiePairs, retryAfterMs } from '@tributary/signing';
import { DEFAULT_LOCALE } from '@tributary/webcast';
import { createHash } from 'node:crypto';
import type { Cache } from '../cache/cache.js';
import type { CacheKind } from '../cache/kinds.js';
import { type Failure, type FailureReason, isDistrust, type Outcome } from '../providers/provider.js';
import { statusFailure, type Upstream } from './upstream.js';

/** The identity whose cookies are needed: the user agent, and the client's own cookies if it sent any. */
interface Visit {
  userAgent: string;
  cookies: string;
  /** Takes a new visitor, which all later requests use. */
  fresh?: boolean;
}

export interface VisitorsOptions {
  /** Providers do not share visitors, since their IP addresses may differ. */
  name: string;
  upstream: Upstream;
  webUrl: string;
  cache: Cache;
  /** How long one visitor opens rooms; 0 makes a new one each time. */
  keepMs: number;
}

/** An expired visitor is served for this long while no new one can be made. */
const STALE_MS = 3_600_000;
const VISITORS_MAX = 1_000;
/** A visitor younger than this is not replaced when TikTok does not trust it: a new one would not be trusted either. */
const NEW_MS = 10_000;

interface Visitor {
  cookies: string;
  madeAt: number;
}

/** Headers of a page that a person opens. They agree with the user agent and with the language of the socket. */
export function browserHeaders(userAgent: string, cookies: string): Record<string, string> {
  return {
    'user-agent': userAgent,
    accept: 'text/html,application/xhtml+xml,application/json,application/protobuf,*/*;q=0.8',
    'accept-language': `${DEFAULT_LOCALE.languageTag},en;q=0.9`,
    ...(cookies === '' ? {} : { cookie: cookies }),
  };
}

/** Anonymous sessions: the `ttwid` cookie that TikTok's front page sets, kept and used for many rooms. */
export class Visitors {
  private readonly kind: CacheKind<Visitor>;
  /** When an old visitor was dropped, by key. */
  private readonly replacedAt = new Map<string, number>();

  constructor(private readonly options: VisitorsOptions) {
    this.kind = {
      name: 'visitor',
      freshMs: () => options.keepMs,
      staleMs: STALE_MS,
      entriesMax: VISITORS_MAX,
      local: options.keepMs === 0,
    };
  }

  /**
   * The cookies of a visitor, `ttwid` first. A client's own cookies are used for this request alone. When they contain a `ttwid`,
   * the front page is not requested; otherwise its answer is not kept.
   */
  async cookies({ userAgent, cookies, fresh }: Visit, signal: AbortSignal): Promise<Outcome<string>> {
    if (/(?:^|;\s*)ttwid=[^;]/.test(cookies)) return { ok: true, value: cookiePairs(cookies) };
    if (cookies !== '' || this.options.keepMs === 0) return this.visit({ userAgent, cookies }, signal);
    if (fresh) await this.options.cache.forget(this.kind, this.key(userAgent));
    const found = await this.options.cache.get<Visitor, Failure>(
      this.kind,
      this.key(userAgent),
      async (loading) => {
        const visit = await this.visit({ userAgent, cookies: '' }, loading);
        return visit.ok ? { ok: true, value: { cookies: visit.value, madeAt: Date.now() } } : { ok: false, failure: visit };
      },
      signal,
    );
    return found.ok ? { ok: true, value: found.value.cookies } : found.failure;
  }

  /**
   * Drops the visitor of this user agent if a bundle failed because TikTok does not trust it. True if another try may succeed:
   * the visitor was an old one, or a parallel request has just replaced it.
   */
  async judge({ userAgent, cookies }: Visit, reason: FailureReason): Promise<boolean> {
    if (cookies !== '' || !isDistrust(reason)) return false;
    const key = this.key(userAgent);
    const known = this.options.cache.peek(this.kind, key);
    const now = Date.now();
    if (known && now - known.madeAt > NEW_MS) {
      if (this.replacedAt.size >= VISITORS_MAX) this.replacedAt.clear();
      this.replacedAt.set(key, now);
      await this.options.cache.forget(this.kind, key);
      return true;
    }
    if (now - (this.replacedAt.get(key) ?? 0) <= NEW_MS) return true;
    await this.options.cache.forget(this.kind, key);
    return false;
  }

  close(): Promise<void> {
    return this.options.upstream.close();
  }

  private async visit({ userAgent, cookies }: Visit, signal: AbortSignal): Promise<Outcome<string>> {
    const { upstream, webUrl } = this.options;
    const answer = await upstream.ask(new URL('/', webUrl), { headers: browserHeaders(userAgent, cookies), signal });
    if (!answer.ok) return answer;
    const failure = statusFailure(answer, 'the front page', retryAfterMs(answer.headers));
    if (failure) return failure;
    const given = cookiePairs(...answer.setCookies.map((line) => line.split(';', 1)[0] ?? ''));
    if (!/^ttwid=./.test(given)) return { ok: false, reason: 'missing-cookie', message: 'the front page set no ttwid cookie' };
    return { ok: true, value: cookiePairs(cookies, given) };
  }

  private key(userAgent: string): string {
    return `${this.options.name} ${createHash('sha1').update(userAgent).digest('base64url')}`;
  }
}
