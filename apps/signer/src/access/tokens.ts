import { createHmac, randomUUID, timingSafeEqual } from 'node:crypto';
import type { Limits } from './limits.js';

/** What a token says of its bearer. Times in unix seconds. */
export interface TokenClaims {
  jti: string;
  /** Id of the key that minted it; its requests count for that key too. */
  sub: string;
  /** sha256 of that key: a revoked key takes its tokens with it. Missing where no key was needed. */
  key?: string;
  iat: number;
  exp: number;
  /** Handles whose rooms it may connect to; null for all. */
  creators: string[] | null;
  /** Limits of this token alone, beside those of its key. */
  limits?: Limits;
  name?: string;
}

export type TokenResult = { ok: true; claims: TokenClaims } | { ok: false; message: string };

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
    const refuse = (message: string): TokenResult => ({ ok: false, message });
    if (token.length > TOKEN_LENGTH_MAX) return refuse('the token is too long');
    const [header = '', payload = '', signature = ''] = token.split('.');
    const given = Buffer.from(signature);
    const own = Buffer.from(this.sign(`${header}.${payload}`));
    if (given.length !== own.length || !timingSafeEqual(given, own)) return refuse('the token was not made by this signer, or was changed');
    if (header !== HEADER) return refuse('the token is of another kind than HS256');
    const { iss, ...claims } = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as TokenClaims & { iss?: string };
    if (iss !== ISSUER) return refuse('the token was made for something else');
    const now = this.now() / 1000;
    if (claims.exp <= now) return refuse('the token has expired');
    if (claims.iat > now + LEEWAY) return refuse('the token is not valid yet');
    return { ok: true, claims };
  }

  private sign(text: string): string {
    return createHmac('sha256', this.secret).update(text).digest('base64url');
  }
}

/** Whether a credential has the form of a token; API keys have no periods. */
export function looksLikeToken(text: string): boolean {
  return /^[\w-]+\.[\w-]+\.[\w-]+$/.test(text);
}
