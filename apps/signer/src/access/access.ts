import { Injectable } from '@nestjs/common';
import { allows, Config, hashKey, isForeignPage, type KeyRecord, type Scope, WrongKeys } from '@tributary/runtime';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { SignError } from '../http/answer.js';
import { notesOf } from '../http/wide-log.js';
import { type Caller, setCaller } from './caller.js';
import { KeyCache } from './key-cache.js';
import { RateLimits, readKeyLimits, tightest } from './limits.js';
import { looksLikeToken, Tokens } from './tokens.js';
import { type Limits, NO_LIMITS, type WindowState } from './windows.js';

const CREDENTIAL_LENGTH_MAX = 8_192;
const LOCAL: Caller = { kind: 'local', id: 'local', counted: [], creators: null };
const LOOPBACK = /^(?:127\.|::1$|::ffff:127\.)/;
/** What a reverse proxy puts on the requests of others. */
const FORWARDED = ['x-forwarded-for', 'forwarded', 'x-real-ip'];

/** What a route asks of its callers. */
export interface AccessRules {
  needed: Scope;
  /** Whether its requests count towards the limits of the caller. */
  counted: boolean;
}

/** Lets a request in by its API key or token, and counts it. In development, none is needed from this machine. */
@Injectable()
export class Access {
  private readonly defaults: Limits;
  private readonly ofKeys: Map<string, Limits>;

  constructor(
    private readonly keys: KeyCache,
    private readonly tokens: Tokens,
    private readonly limits: RateLimits,
    private readonly wrong: WrongKeys,
    private readonly config: Config,
  ) {
    this.defaults = { minute: config.signPerKeyMinute, hour: config.signPerKeyHour, day: config.signPerKeyDay };
    this.ofKeys = readKeyLimits(config.signKeyLimits);
  }

  /**
   * Admits a request and remembers its caller; at once where that needs no look-up and no count.
   * @throws SignError 401 without a valid credential, 403 without the scope, 429 past a limit, 503 where keys cannot be checked;
   * the promise rejects with the same
   */
  admit(request: FastifyRequest, reply: FastifyReply, rules: AccessRules): true | Promise<true> {
    const free = this.isFree(request);
    const credential = credentialOf(request);
    if (credential !== undefined)
      return this.isKnown(credential, rules.needed, free, request) || this.admitCredential(credential, rules, free, request, reply);
    if (!free) throw new SignError(401, 'unauthorized', 'an API key is needed: send it as x-api-key or as Authorization: Bearer');
    setCaller(request, LOCAL);
    return true;
  }

  /** Admits a key in memory that has no limit of any kind. False says nothing against it. */
  private isKnown(credential: string, needed: Scope, free: boolean, request: FastifyRequest): boolean {
    if (looksLikeToken(credential)) return false;
    const keyHash = hashKey(credential);
    const record = this.keys.peekHash(keyHash);
    // One that is limited to creators has to be judged by its rooms.
    if (!record || record.restriction || !allows(record, needed) || Object.values(this.limitsOf(record.id)).some((limit) => limit > 0))
      return false;
    // An address that guesses keys must not find the right one faster here.
    if (!free && !this.wrong.admitsAtOnce(request.ip, record.id)) return false;
    setCaller(request, { kind: 'key', id: record.id, counted: [], creators: null, record, keyHash });
    notesOf(request).key = record.id;
    return true;
  }

  /**
   * In development, this machine needs no key. A page that its browser shows is not this machine, and neither is a client of a reverse
   * proxy that runs on it.
   */
  private isFree({ socket, headers }: FastifyRequest): boolean {
    const { mode, signOrigins } = this.config;
    if (mode !== 'development' || !LOOPBACK.test(socket.remoteAddress ?? '')) return false;
    return FORWARDED.every((name) => headers[name] === undefined) && !isForeignPage(headers, signOrigins);
  }

  private async admitCredential(
    credential: string,
    { needed, counted }: AccessRules,
    free: boolean,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<true> {
    const caller = looksLikeToken(credential)
      ? await this.byToken(credential, needed, free, request)
      : await this.byKey(credential, needed, free, request);
    setCaller(request, caller);
    if (caller.kind !== 'local') notesOf(request).key = caller.id;
    if (counted && caller.counted.length > 0) await this.count(caller, reply);
    return true;
  }

  private async byKey(credential: string, needed: Scope, free: boolean, { ip }: FastifyRequest): Promise<Caller> {
    const keyHash = hashKey(credential);
    const record = credential.length > CREDENTIAL_LENGTH_MAX ? undefined : await this.keys.findHash(keyHash);
    if (record !== undefined && record !== 'unknown') {
      if (!free) slow(await this.wrong.admit(ip, record.id));
      if (!allows(record, needed) && !free) throw new SignError(403, 'forbidden', `this API key has not the scope "${needed}"`);
      const counted = [{ who: record.id, limits: this.limitsOf(record.id) }];
      return { kind: 'key', id: record.id, counted, creators: handlesOf(record), record, keyHash };
    }
    if (free) return LOCAL;
    if (record === 'unknown') throw cannotBeChecked();
    await this.chargeFor(ip, keyHash);
    throw new SignError(401, 'unauthorized', 'this API key is not known here, was revoked, or has expired');
  }

  /** Charges an address for a wrong credential. @throws SignError 429 where it has tried too many */
  private async chargeFor(ip: string, hash: string): Promise<void> {
    slow(await this.wrong.charge(ip, hash));
  }

  private async byToken(text: string, needed: Scope, free: boolean, { ip }: FastifyRequest): Promise<Caller> {
    const verdict = this.tokens.verify(text);
    if (!verdict.ok) {
      if (verdict.isForged && !free) await this.chargeFor(ip, hashKey(text));
      throw new SignError(401, 'unauthorized', verdict.message);
    }
    const { claims } = verdict;
    if (!free) slow(await this.wrong.admit(ip, `token-${claims.sub}`));
    if (claims.key === undefined && this.config.mode !== 'development') {
      throw new SignError(401, 'unauthorized', 'this token was made without a key, which counts in development only');
    }
    // The key that minted it stands behind it: a revoked key takes its tokens with it.
    const record = claims.key === undefined ? undefined : await this.keys.findHash(claims.key);
    if (record === 'unknown') throw cannotBeChecked();
    if (claims.key !== undefined && !mayMint(record))
      throw new SignError(401, 'unauthorized', 'the key that made this token was revoked, or has expired');
    if (needed !== 'sign') throw new SignError(403, 'forbidden', `a token may not do this; it needs a key with the scope "${needed}"`);
    const counted = [
      { who: `token-${claims.jti}`, limits: claims.limits ?? NO_LIMITS },
      ...(claims.key === undefined ? [] : [{ who: claims.sub, limits: this.limitsOf(claims.sub) }]),
    ];
    const creators = both(claims.creators, record ? handlesOf(record) : null);
    return { kind: 'token', id: claims.sub, counted, creators, token: claims };
  }

  private limitsOf(keyId: string): Limits {
    return this.ofKeys.get(keyId) ?? this.defaults;
  }

  private async count(caller: Caller, reply: FastifyReply): Promise<void> {
    let strictest: WindowState | undefined;
    for (const { who, limits } of caller.counted) {
      const { allowed, windows } = await this.limits.take(who, limits);
      const window = tightest(windows);
      if (window && (!strictest || !allowed || window.remaining < strictest.remaining)) strictest = window;
      if (!allowed && window) {
        void reply.headers(rateHeaders(window));
        const text = `${window.max} sign requests a ${window.window} are allowed here, and they are used up; try again later`;
        throw new SignError(429, 'rate-limited', text, Math.max(1, window.resetMs), { limit_label: window.window });
      }
    }
    if (strictest) void reply.headers(rateHeaders(strictest));
  }
}

/** The creators that a key is limited to, by their present handles; null: none. */
function handlesOf({ restriction, handles = [] }: KeyRecord): readonly string[] | null {
  return restriction ? handles : null;
}

/** What both allow, where null allows all. */
function both(one: readonly string[] | null, other: readonly string[] | null): readonly string[] | null {
  return one && other ? one.filter((name) => other.includes(name)) : (one ?? other);
}

/** @throws SignError 429 where there is something to wait for */
function slow(waitMs: number): void {
  if (waitMs > 0) throw new SignError(429, 'rate-limited', 'too many wrong keys came from this address; wait a little', waitMs);
}

function mayMint(record: KeyRecord | undefined): boolean {
  return record !== undefined && allows(record, 'sign');
}

function cannotBeChecked(): SignError {
  return new SignError(503, 'unavailable', 'API keys cannot be checked at the moment; try again', 2_000);
}

function rateHeaders({ max, remaining, resetMs }: WindowState): Record<string, string> {
  return {
    'ratelimit-limit': String(max),
    'ratelimit-remaining': String(remaining),
    'ratelimit-reset': String(Math.ceil(resetMs / 1000)),
  };
}

/** A key or token from wherever clients put it: `x-api-key`, `x-jwt-key`, `Authorization: Bearer`, `?apiKey=`, `?jwtKey=`. */
function credentialOf(request: FastifyRequest): string | undefined {
  const { headers } = request;
  for (const name of ['x-api-key', 'x-jwt-key']) {
    const value = headers[name];
    if (typeof value === 'string' && value !== '') return value;
  }
  const bearer = /^Bearer\s+(\S+)$/i.exec(headers.authorization ?? '')?.[1];
  if (bearer) return bearer;
  const query = request.query as Record<string, unknown>;
  for (const name of ['apiKey', 'jwtKey']) {
    const value = query[name];
    // Whichever of two was meant, the other one would not be judged.
    if (Array.isArray(value)) throw new SignError(400, 'bad-request', `${name}: expected one value`);
    if (typeof value === 'string' && value !== '') return value;
  }
  return undefined;
}
