import { cookiePairs, retryAfterMs } from '@tributary/signing';
import { DEFAULT_LOCALE } from '@tributary/webcast';
import type { Outcome } from '../providers/provider.js';
import { statusFailure, type Upstream } from './upstream.js';

/** Headers of a page that a person opens. They agree with the user agent and with the language of the socket. */
export function browserHeaders(userAgent: string, cookies: string): Record<string, string> {
  return {
    'user-agent': userAgent,
    accept: 'text/html,application/xhtml+xml,application/json,application/protobuf,*/*;q=0.8',
    'accept-language': `${DEFAULT_LOCALE.languageTag},en;q=0.9`,
    ...(cookies === '' ? {} : { cookie: cookies }),
  };
}

/**
 * The cookies of somebody who has just opened TikTok's front page, `ttwid` first. A client's own cookies are kept and
 * sent along; with a `ttwid` among them nothing is asked.
 */
export async function visitorCookies(
  upstream: Upstream,
  webUrl: string,
  { userAgent, cookies }: { userAgent: string; cookies: string },
  signal: AbortSignal,
): Promise<Outcome<string>> {
  if (/(?:^|;\s*)ttwid=[^;]/.test(cookies)) return { ok: true, value: cookiePairs(cookies) };
  const answer = await upstream.ask(new URL('/', webUrl), { headers: browserHeaders(userAgent, cookies), signal });
  if (!answer.ok) return answer;
  const failure = statusFailure(answer, 'the front page', retryAfterMs(answer.headers));
  if (failure) return failure;
  const given = cookiePairs(...answer.setCookies.map((line) => line.split(';', 1)[0] ?? ''));
  if (!/^ttwid=./.test(given)) return { ok: false, reason: 'missing-cookie', message: 'the front page set no ttwid cookie' };
  return { ok: true, value: cookiePairs(cookies, given) };
}
