import { retryAfterMs } from '@tributary/signing';
import { browserParams } from '@tributary/webcast';
import type { ConnectRequest, Failure, Outcome } from '../providers/provider.js';
import { type Upstream, statusFailure } from './upstream.js';
import { browserHeaders } from './visitor.js';

const CODE_FINISHED = '30003';

/** The URL by which a page asks for its connect bundle, not yet signed. */
export function imFetchUrl(webcastUrl: string, { roomId, cursor, userAgent }: ConnectRequest): URL {
  const url = new URL('/webcast/im/fetch/', webcastUrl);
  url.search = new URLSearchParams({
    aid: '1988',
    app_name: 'tiktok_web',
    device_platform: 'web',
    ...browserParams(userAgent),
    browser_online: 'true',
    cookie_enabled: 'true',
    cursor,
    did_rule: '3',
    fetch_rule: '1',
    history_comment_count: '6',
    identity: 'audience',
    internal_ext: '',
    last_rtt: '0',
    live_id: '12',
    resp_content_type: 'protobuf',
    room_id: roomId,
    sup_ws_ds_opt: '1',
    version_code: '180800',
  }).toString();
  return url;
}

/** Requests the bundle by a signed URL. An empty body is returned as it is: the chain checks every bundle. */
export async function fetchBundleBytes(
  upstream: Upstream,
  signedUrl: string,
  { userAgent, cookies }: { userAgent: string; cookies: string },
  signal: AbortSignal,
): Promise<Outcome<{ bytes: Uint8Array; setCookies: string[] }>> {
  if (!URL.canParse(signedUrl)) return { ok: false, reason: 'bad-answer', message: 'the signed URL is not an address' };
  const answer = await upstream.ask(new URL(signedUrl), { headers: browserHeaders(userAgent, cookies), signal });
  if (!answer.ok) return answer;
  const failure = statusFailure(answer, 'the connect bundle', retryAfterMs(answer.headers)) ?? saidInJson(answer.body);
  return failure ?? { ok: true, value: { bytes: answer.body, setCookies: answer.setCookies } };
}

/** TikTok's answer in JSON instead of protobuf: the room has ended, or an error code. */
export function saidInJson(body: Buffer): Failure | undefined {
  if (body[0] !== 0x7b) return undefined;
  const code = /"status_code":\s*(\d{1,9})/.exec(body.toString('utf8', 0, 2_000))?.[1];
  if (code === CODE_FINISHED) return { ok: false, reason: 'offline', message: 'the room has ended' };
  return { ok: false, reason: 'bad-answer', message: `the connect bundle is JSON with code ${code ?? 'unknown'}` };
}
