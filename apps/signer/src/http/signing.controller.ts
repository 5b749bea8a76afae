import { Body, Controller, Get, HttpCode, Post, Query as FromQuery, Req, Res, UseGuards } from '@nestjs/common';
import type { SignedUrl } from '@tributary/signing';
import { browserParams } from '@tributary/webcast';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AccessGuard } from '../access/access.guard.js';
import { callerOf } from '../access/caller.js';
import { ProviderChain } from '../failover/provider-chain.js';
import { roomOfLimitedUrl } from '../rooms/limited-url.js';
import { Ownership } from '../rooms/ownership.js';
import { Hosts } from '../tiktok/hosts.js';
import { SignError } from './answer.js';
import { failureOf } from './failure.js';
import { clientSignal, cookiesOf, type Query, textOf, userAgentOf } from './params.js';
import { noteAttempts, notesOf } from './wide-log.js';

const URL_LENGTH_MAX = 8_192;
const PAYLOAD_LENGTH_MAX = 65_536;
const METHODS = ['GET', 'POST', 'OPTIONS', 'PUT', 'DELETE', 'PATCH', 'HEAD'];
/** Parameters of a former signature in a URL. */
const TOKENS = new Set(['X-Bogus', 'X-Gnarly', 'msToken', '_signature', 'signature']);

/** Signatures of single URLs. */
@Controller()
@UseGuards(AccessGuard)
export class SigningController {
  constructor(
    private readonly chain: ProviderChain,
    private readonly hosts: Hosts,
    private readonly ownership: Ownership,
  ) {}

  @Post(['tiktok/sign_url', 'webcast/sign_url'])
  @HttpCode(200)
  async signUrl(@Body() body: unknown, @Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply) {
    const fields = objectOf(body);
    const text = (name: string, lengthMax: number) => textOf(fields, [name], lengthMax);
    const method = (text('method', 10) ?? 'GET').toUpperCase();
    if (!METHODS.includes(method)) throw SignError.badParameter('method', METHODS.join(', '));
    const signed = await this.sign(text('url', URL_LENGTH_MAX), request, reply, {
      method,
      userAgent: text('userAgent', 1_000),
      cookies: { sessionId: text('sessionId', 256), ttTargetIdc: text('ttTargetIdc', 64), ttwid: text('ttwid', 1_000) },
      payload: text('payload', PAYLOAD_LENGTH_MAX),
      type: text('type', 20),
    });
    const { browser_name: browserName, browser_version: browserVersion } = browserParams(signed.userAgent);
    return {
      code: 200,
      message: 'the URL has been signed',
      response: { browserName, browserVersion, requestHeaders: {}, cookies: [], ...signed },
    };
  }

  /** Request form of client 1.x: one flat object. */
  @Get('webcast/sign_url')
  async signUrlFlat(@FromQuery() query: Query, @Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply) {
    const { signedUrl, userAgent, tokens } = await this.sign(textOf(query, ['url'], URL_LENGTH_MAX), request, reply, {
      method: 'GET',
      userAgent: textOf(query, ['user_agent', 'userAgent'], 1_000),
      cookies: {},
    });
    return { code: 200, signedUrl, 'User-Agent': userAgent, ...tokens };
  }

  /** The first form of this API, kept: it signs a page or API address and describes the browser it was signed for. */
  @Post('api/eulerstream')
  @HttpCode(200)
  async eulerstream(@Body() body: unknown, @Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply) {
    const { signedUrl, userAgent, tokens } = await this.sign(textOf(objectOf(body), ['url'], URL_LENGTH_MAX), request, reply, {
      method: 'GET',
      cookies: {},
    });
    const { browser_language, browser_platform, browser_name, browser_version } = browserParams(userAgent);
    const values = {
      signature: tokens.signature ?? tokens._signature,
      'X-Bogus': tokens['X-Bogus'],
      'x-tt-params': tokens['x-tt-params'],
    };
    const unavailable = Object.entries(values).flatMap(([name, value]) => (value === undefined ? [name] : []));
    const navigator = { user_agent: userAgent, browser_language, browser_platform, browser_name, browser_version };
    return {
      success: true,
      data: { signed_url: signedUrl, ...tokens, ...values, navigator },
      ...(unavailable.length > 0 ? { unavailable } : {}),
    };
  }

  private async sign(
    text: string | undefined,
    request: FastifyRequest,
    reply: FastifyReply,
    options: { method: string; userAgent?: string; cookies: Parameters<typeof cookiesOf>[1]; payload?: string; type?: string },
  ): Promise<SignedUrl> {
    const url = this.signable(text);
    const { method, payload, type } = options;
    notesOf(request).client = textOf(request.query as Query, ['client'], 100);
    const signal = clientSignal(reply);
    const caller = callerOf(request);
    if (caller.creators !== null) await this.ownership.room(caller, roomOfLimitedUrl(url, { method, payload }), signal);
    const { value, attempts } = await this.chain.sign(
      { url, method, userAgent: userAgentOf(options.userAgent), cookies: cookiesOf(request, options.cookies), payload, type },
      signal,
    );
    noteAttempts(request, attempts);
    if (value) return value;
    if (attempts.length === 0) {
      throw new SignError(501, 'unsupported', 'none of the configured providers signs single URLs; it can only connect to rooms');
    }
    throw failureOf(attempts);
  }

  /** The URL as it is to be signed: of TikTok or of the simulator, without tokens of a former signature. */
  private signable(text: string | undefined): URL {
    if (text === undefined) throw SignError.badParameter('url', 'the URL to be signed');
    if (!URL.canParse(text))
      throw SignError.badParameter('url', 'an absolute URL such as https://webcast.tiktok.com/webcast/im/fetch/?room_id=..');
    const url = new URL(text);
    if (!this.hosts.allows(url))
      throw SignError.badParameter('url', 'an address of TikTok (https://*.tiktok.com), or of the configured simulator');
    url.hash = '';
    const kept = url.search
      .slice(1)
      .split('&')
      .filter((pair) => pair !== '' && !TOKENS.has(pair.split('=', 1)[0] ?? ''));
    url.search = kept.join('&');
    return url;
  }
}

function objectOf(body: unknown): Query {
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as Query;
  throw SignError.badParameter('body', 'a JSON object with the member url');
}
