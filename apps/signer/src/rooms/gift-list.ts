import { Injectable } from '@nestjs/common';
import { Config } from '@tributary/runtime';
import { browserParams, DEFAULT_LOCALE } from '@tributary/webcast';
import { Cache } from '../cache/cache.js';
import { SignError } from '../http/answer.js';
import { failureOf } from '../http/failure.js';
import { ProviderChain } from '../failover/provider-chain.js';
import { statusFailure, Upstream } from '../tiktok/upstream.js';
import { browserHeaders, Visitors } from '../tiktok/visitor.js';
import { giftsKind } from './kinds.js';

/** TikTok's list as it came; `gifts` is read by others, everything else is passed on. */
export interface GiftList {
  gifts?: TikTokGift[];
  [member: string]: unknown;
}

export interface TikTokGift {
  id?: number;
  is_displayed_on_panel?: boolean;
  is_gallery_gift?: boolean;
}

const LANGUAGE = /^[a-zA-Z-]{2,10}$/;

/** The gifts that can be sent in a room, asked of TikTok by a signed request. */
@Injectable()
export class GiftLists {
  constructor(
    private readonly chain: ProviderChain,
    private readonly upstream: Upstream,
    private readonly visitors: Visitors,
    private readonly cache: Cache,
    private readonly config: Config,
  ) {}

  /** @throws SignError when it cannot be had; TypeError never: what is not a list is a bad answer. */
  async of(roomId: string, language: string | undefined, signal: AbortSignal): Promise<GiftList> {
    if (language !== undefined && !LANGUAGE.test(language)) throw SignError.badParameter('webcast_language', 'a language such as en');
    const answer = await this.cache.get<string, SignError>(
      giftsKind,
      `${roomId} ${language ?? ''}`,
      async (loading) => {
        const text = await this.load(roomId, language, loading);
        return text instanceof SignError ? { ok: false, failure: text } : { ok: true, value: text };
      },
      signal,
    );
    if (!answer.ok) throw answer.failure;
    return (JSON.parse(answer.value) as { data: GiftList }).data;
  }

  private async load(roomId: string, language: string | undefined, signal: AbortSignal): Promise<string | SignError> {
    const userAgent = this.config.signUserAgent;
    const visitor = await this.visitors.cookies({ userAgent, cookies: '' }, signal);
    if (!visitor.ok) return new SignError(503, 'unavailable', `no session for the gift list: ${visitor.message}`, visitor.retryAfterMs);
    const url = new URL('/webcast/gift/list/', this.config.tiktokWebcastUrl);
    const locale = language === undefined ? DEFAULT_LOCALE : { ...DEFAULT_LOCALE, languageTag: language };
    const params = { aid: '1988', app_name: 'tiktok_web', device_platform: 'web', ...browserParams(userAgent, locale), room_id: roomId };
    url.search = new URLSearchParams(params).toString();
    const { value, attempts } = await this.chain.sign({ url, method: 'GET', userAgent, cookies: visitor.value }, signal);
    if (!value) {
      if (attempts.length > 0) return failureOf(attempts);
      return new SignError(501, 'unsupported', 'none of the configured providers signs requests, which the gift list needs');
    }
    const headers = browserHeaders(value.userAgent === '' ? userAgent : value.userAgent, visitor.value);
    const answer = await this.upstream.ask(new URL(value.signedUrl), { headers, signal });
    if (!answer.ok) return new SignError(503, 'unavailable', answer.message);
    const failure = statusFailure(answer, 'the gift list');
    if (failure) return new SignError(failure.reason === 'http-403' ? 503 : 502, 'blocked', failure.message);
    if (answer.body.length === 0)
      return new SignError(503, 'blocked', 'TikTok answers nothing for the gift list: it does not trust this session');
    return readList(answer.body.toString('utf8'));
  }
}

function readList(text: string): string | SignError {
  try {
    const { data, status_code: code } = JSON.parse(text) as { data?: GiftList; status_code?: number };
    if (typeof data === 'object' && data !== null && Array.isArray(data.gifts)) return text;
    return new SignError(502, 'bad-answer', `the gift list has no gifts (code ${code ?? 'unknown'})`);
  } catch {
    return new SignError(502, 'bad-answer', 'the gift list is not JSON');
  }
}
