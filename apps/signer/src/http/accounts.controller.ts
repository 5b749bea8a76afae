import { Body, Controller, Get, HttpCode, Post, Req, UseGuards } from '@nestjs/common';
import { Config } from '@tributary/runtime';
import { readUniqueId } from '@tributary/webcast';
import type { FastifyRequest } from 'fastify';
import { AccessGuard, NotCounted } from '../access/access.guard.js';
import { type Caller, callerOf } from '../access/caller.js';
import { RateLimits } from '../access/limits.js';
import { TOKEN_CREATORS_MAX, Tokens } from '../access/tokens.js';
import { type LimitVerdict, type Limits, NO_LIMITS, WINDOWS } from '../access/windows.js';
import { Ownership } from '../rooms/ownership.js';
import { SignError } from './answer.js';

/** What was asked for a token. */
interface TokenRequest {
  expiresInSeconds: number;
  creators: string[] | null;
  limits?: Limits;
  name?: string;
}

const TOKEN_SECONDS_MAX = 86_400;
const LIMIT_MAX = 1_000_000_000;
/** A session inside a token would be stored in a place that everybody can read. */
const SESSION = ['sessionId', 'oauthToken'];

/** What a key may use, and short-lived tokens made from it. */
@Controller()
@UseGuards(AccessGuard)
@NotCounted()
export class AccountsController {
  constructor(
    private readonly limits: RateLimits,
    private readonly tokens: Tokens,
    private readonly ownership: Ownership,
    private readonly config: Config,
  ) {}

  /** The windows `minute`, `hour` and `day` are left out where no limit is set. */
  @Get(['accounts/me/rate_limits', 'webcast/rate_limits'])
  async rateLimits(@Req() request: FastifyRequest) {
    const [first] = callerOf(request).counted;
    const verdict: LimitVerdict = first ? await this.limits.look(first.who, first.limits) : { allowed: true, counted: true, windows: [] };
    const windows = verdict.windows.map(({ window, max, remaining, resetMs }) => [
      window,
      { max, remaining, reset_at: resetMs === 0 ? null : new Date(Date.now() + resetMs).toISOString() },
    ]);
    const message = verdict.counted
      ? windows.length === 0
        ? 'no limit is set for you'
        : 'what is left of your limits'
      : 'requests cannot be counted over all signers at the moment; each gives its share of your limits';
    // This signer refuses nobody by chance; clients 2.0 and 2.1 read the member without looking whether it is there.
    return { code: 200, message, ...(Object.fromEntries(windows) as Record<string, unknown>), load_shedding: { at: 1, chance: 0 } };
  }

  /** `{expiresInSeconds, creators?, limits?, name?}` -> `{token, expiresAt, ..}`: a token for a page that everybody can read. */
  @Post('v1/tokens')
  @HttpCode(201)
  mint(@Body() body: unknown, @Req() request: FastifyRequest) {
    noQuery(request);
    const fields = objectOf(body, 'body', ['expiresInSeconds', 'creators', 'limits', 'name']);
    const asked: TokenRequest = {
      expiresInSeconds: secondsOf(fields.expiresInSeconds, 'expiresInSeconds'),
      creators: creatorsOf(fields.creators, 'creators'),
      limits: limitsOf(fields.limits, 'limits'),
      name: nameOf(fields.name),
    };
    const { token, claims } = this.make(asked, callerOf(request));
    const { jti: id, exp, creators, limits } = claims;
    return { token, id, expiresAt: new Date(exp * 1000).toISOString(), creators, ...(limits ? { limits } : {}) };
  }

  /** The same as the API SDKs of Euler Stream ask for it. The account of the path is the key's own, whatever it says. */
  @Post('accounts/:account_id/jwt/create')
  @HttpCode(200)
  mintLikeEuler(@Body() body: unknown, @Req() request: FastifyRequest) {
    noQuery(request);
    const fields = objectOf(body, 'body', ['expireAfter', 'websockets', 'limits', 'name']);
    const sockets = objectOf(fields.websockets ?? {}, 'websockets', [...SESSION, 'ttTargetIdc', 'allowedCreators', 'maxWebSockets']);
    // This signer opens no sockets for anybody, so that any number of them is kept.
    wholeNumber(sockets.maxWebSockets ?? 0, 'websockets.maxWebSockets', LIMIT_MAX);
    for (const member of SESSION) {
      if (sockets[member]) throw SignError.badParameter(`websockets.${member}`, 'no session: send it with each request');
    }
    const { token, claims } = this.make(
      {
        expiresInSeconds: secondsOf(fields.expireAfter, 'expireAfter'),
        creators: creatorsOf(sockets.allowedCreators, 'websockets.allowedCreators'),
        limits: limitsOf(fields.limits, 'limits'),
        name: nameOf(fields.name),
      },
      callerOf(request),
    );
    const { jti: id, iat, exp, creators: allowedCreators, limits = NO_LIMITS, name = null } = claims;
    const webSocketData = { allowedCreators, maxWebSockets: 0 };
    const config = { id, expiresAt: exp, ttl: exp - iat, accountId: 0, apiKeyId: 0, limits, webSocketData, name };
    return { code: 200, message: 'the token has been made', token, config };
  }

  private make({ expiresInSeconds, ...asked }: TokenRequest, caller: Caller) {
    for (const uniqueId of asked.creators ?? []) this.ownership.creator(caller, uniqueId);
    if (caller.kind === 'token') throw new SignError(403, 'forbidden', 'a token makes no tokens; it needs an API key');
    if (this.config.mode !== 'development' && this.config.signTokenSecret === '') {
      throw new SignError(501, 'unsupported', 'this signer makes no tokens: SIGN_TOKEN_SECRET is not set');
    }
    return this.tokens.mint(
      { sub: caller.id, ...(caller.keyHash === undefined ? {} : { key: caller.keyHash }), ...asked },
      expiresInSeconds,
    );
  }
}

/** An object with these members at most: one that is not known may be a restriction that somebody relies on. */
function objectOf(value: unknown, field: string, members: readonly string[]): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw SignError.badParameter(field, 'a JSON object');
  const unknown = Object.keys(value).find((member) => !members.includes(member));
  if (unknown === undefined) return value as Record<string, unknown>;
  throw SignError.badParameter(
    field === 'body' ? unknown.slice(0, 40) : `${field}.${unknown.slice(0, 40)}`,
    `one of ${members.join(', ')}`,
  );
}

/** Restrictions are in the body. @throws SignError for a parameter in the query, where it would be overlooked */
function noQuery({ query }: FastifyRequest): void {
  const name = Object.keys(query as object).find((one) => !['apiKey', 'jwtKey', 'client'].includes(one));
  if (name !== undefined) throw SignError.badParameter(name.slice(0, 40), 'in the JSON body, not in the query');
}

function wholeNumber(value: unknown, field: string, max: number): number {
  if (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= max) return value as number;
  throw SignError.badParameter(field, `a whole number from 0 (none) to ${max}`);
}

function secondsOf(value: unknown, field: string): number {
  if (Number.isInteger(value) && (value as number) >= 1 && (value as number) <= TOKEN_SECONDS_MAX) return value as number;
  throw SignError.badParameter(field, `a whole number of seconds from 1 to ${TOKEN_SECONDS_MAX}`);
}

function creatorsOf(value: unknown, field: string): string[] | null {
  if (value === undefined || value === null) return null;
  if (!Array.isArray(value) || value.length === 0) throw SignError.badParameter(field, 'a list of handles, or null for all creators');
  if (value.length > TOKEN_CREATORS_MAX) throw SignError.badParameter(field, `at most ${TOKEN_CREATORS_MAX} handles`);
  return value.map((entry: unknown, index) => {
    const read = typeof entry === 'string' ? readUniqueId(entry) : undefined;
    if (read?.ok) return read.uniqueId;
    throw SignError.badParameter(`${field}[${index}]`, `the handle of a creator${read ? ` (${read.reason})` : ''}`);
  });
}

function limitsOf(value: unknown, field: string): Limits | undefined {
  if (value === undefined || value === null) return undefined;
  const given = objectOf(value, field, WINDOWS);
  return Object.fromEntries(WINDOWS.map((window) => [window, wholeNumber(given[window] ?? 0, `${field}.${window}`, LIMIT_MAX)])) as Limits;
}

function nameOf(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string' && value.length <= 100) return value;
  throw SignError.badParameter('name', 'text of at most 100 characters');
}
