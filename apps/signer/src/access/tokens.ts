import { createHmac, randomUUID, timingSafeEqual } from 'node:crypto';
import { isUniqueId } from '@tributary/webcast';
import { type Limits, WINDOWS } from './windows.js';

/** What a token says of its bearer. Times in unix seconds. */
export interface TokenClaims {
  jti: string;
  /** Id of the key that minted it; its requests count for that key too. */
  sub: string;
  /** sha256 of that key: a revoked key takes its tokens with it. Missing where no key was needed. */
  key?: string;
  iat: number;
  exp: number;
  /** Handles whose rooms it may connect to, in the form of {@link isUniqueId}; null for all that its key may. */
  creators: string[] | null;
  /** Limits of this token alone, beside those of its key. */
  limits?: Limits;
  name?: string;
}

/** `isForged`: this signer has not signed it. A token that has expired is nobody's guess. */
export type TokenResult = { ok: true; claims: TokenClaims } | { ok: false; isForged: boolean; message: string };

const HEADER = Buffer.from(JSON.stringify({ alg: 'HS256', typ: 'JWT' })).toString('base64url');
const ISSUER = 'tributary-signer';
const TOKEN_LENGTH_MAX = 8_192;
/** Clocks of two signers may differ by this much, in s. */
const LEEWAY = 5;

/** Short-lived tokens (JWT, HS256) in place of a key where everybody can read it, such as in a web page. */
export class Tokens {
  constructor(
    private readonly secret: string,
    private readonly now: () => number = Date.now,
  ) {}

  mint(claims: Omit<TokenClaims, 'jti' | 'iat' | 'exp'>, lifeSeconds: number): { token: string; claims: TokenClaims } {
    const iat = Math.floor(this.now() / 1000);
    const full: TokenClaims = { ...claims, jti: randomUUID(), iat, exp: iat + lifeSeconds };
    const payload = Buffer.from(JSON.stringify({ iss: ISSUER, ...full })).toString('base64url');
    return { token: `${HEADER}.${payload}.${this.sign(`${HEADER}.${payload}`)}`, claims: full };
  }

  /** What a token says, or one sentence on why it does not count. Only HS256 is known: a token cannot choose its algorithm. */
  verify(token: string): TokenResult {
    const refuse = (message: string, isForged = false): TokenResult => ({ ok: false, isForged, message });
    if (token.length > TOKEN_LENGTH_MAX) return refuse('the token is too long', true);
    const [header = '', payload = '', signature = '', ...more] = token.split('.');
    if (more.length > 0) return refuse('the token has more than three parts', true);
    const given = Buffer.from(signature);
    const own = Buffer.from(this.sign(`${header}.${payload}`));
    if (given.length !== own.length || !timingSafeEqual(given, own))
      return refuse('the token was not made by this signer, or was changed', true);
    if (header !== HEADER) return refuse('the token is of another kind than HS256');
    const claims = readClaims(Buffer.from(payload, 'base64url').toString('utf8'));
    if (!claims) return refuse('the token says something that this signer does not know');
    const now = this.now() / 1000;
    if (claims.exp <= now) return refuse('the token has expired');
    if (claims.iat > now + LEEWAY) return refuse('the token is not valid yet');
    return { ok: true, claims };
  }

  private sign(text: string): string {
    return createHmac('sha256', this.secret).update(text).digest('base64url');
  }
}

/** Creators that one token can be limited to. */
export const TOKEN_CREATORS_MAX = 50;
const MEMBERS: ReadonlySet<string> = new Set<keyof TokenClaims | 'iss'>([
  'iss',
  'jti',
  'sub',
  'key',
  'iat',
  'exp',
  'creators',
  'limits',
  'name',
]);

/**
 * Reads what a token says, whole: a restriction that is malformed, or a member that is not known, which may be one, leaves
 * nothing that could be relied upon.
 */
function readClaims(text: string): TokenClaims | undefined {
  const value = parsed(text);
  if (value === undefined || Object.keys(value).some((member) => !MEMBERS.has(member))) return undefined;
  const { iss, ...claims } = value;
  const { jti, sub, key, iat, exp, creators, limits, name } = claims;
  const isGood =
    iss === ISSUER &&
    isText(jti) &&
    isText(sub) &&
    (key === undefined || (typeof key === 'string' && /^[0-9a-f]{64}$/.test(key))) &&
    Number.isSafeInteger(iat) &&
    Number.isSafeInteger(exp) &&
    (creators === null || areHandles(creators)) &&
    (limits === undefined || areLimits(limits)) &&
    (name === undefined || typeof name === 'string');
  return isGood ? (claims as unknown as TokenClaims) : undefined;
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function areHandles(value: unknown): boolean {
  const isHandle = (entry: unknown) => typeof entry === 'string' && isUniqueId(entry);
  return Array.isArray(value) && value.length > 0 && value.length <= TOKEN_CREATORS_MAX && value.every(isHandle);
}

function areLimits(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Object.keys(value).sort().join() !== [...WINDOWS].sort().join()) return false;
  return Object.values(value).every((limit) => Number.isSafeInteger(limit) && (limit as number) >= 0);
}

/** Whether a credential has the form of a token; API keys have no periods. */
export function looksLikeToken(text: string): boolean {
  return /^[\w-]+\.[\w-]+\.[\w-]+$/.test(text);
}
