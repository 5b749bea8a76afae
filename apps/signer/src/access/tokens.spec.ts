import { beforeEach, describe, expect, it } from '@jest/globals';
import { createHmac } from 'node:crypto';
import { looksLikeToken, Tokens } from './tokens.js';

const SECRET = 'a secret of more than thirty-two characters';

describe('Tokens', () => {
  let now: number;
  let tokens: Tokens;
  beforeEach(() => {
    now = 1_795_000_000_000;
    tokens = new Tokens(SECRET, () => now);
  });
  const mint = (seconds = 60) => tokens.mint({ sub: 'key_1', creators: ['luna.bakes'] }, seconds).token;
  const forge = (header: object, payload: object, secret = SECRET) => {
    const text = [header, payload].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
    return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
  };

  it('gives back what it was made with, until it expires and not a second longer', () => {
    const token = mint(60);
    expect(looksLikeToken(token)).toBe(true);
    expect(tokens.verify(token)).toMatchObject({ ok: true, claims: { sub: 'key_1', creators: ['luna.bakes'], exp: now / 1000 + 60 } });
    now += 59_999;
    expect(tokens.verify(token).ok).toBe(true);
    now += 1;
    expect(tokens.verify(token)).toEqual({ ok: false, message: 'the token has expired' });
  });

  it('refuses a token that was changed, or made with another secret', () => {
    const [header, , signature] = mint().split('.');
    const claims = Buffer.from(JSON.stringify({ iss: 'tributary-signer', sub: 'key_1', creators: null, iat: 0, exp: 9e9 })).toString(
      'base64url',
    );
    expect(tokens.verify(`${header}.${claims}.${signature}`).ok).toBe(false);
    expect(new Tokens('another secret of thirty-two characters', () => now).verify(mint()).ok).toBe(false);
  });

  it('lets no token choose its algorithm, and no token of something else in', () => {
    const claims = { iss: 'tributary-signer', jti: 'x', sub: 'k', creators: null, iat: now / 1000, exp: now / 1000 + 60 };
    expect(tokens.verify(forge({ alg: 'HS256', typ: 'JWT' }, claims)).ok).toBe(true);
    expect(tokens.verify(forge({ alg: 'none' }, claims))).toMatchObject({ ok: false, message: expect.stringContaining('HS256') });
    expect(tokens.verify(forge({ alg: 'HS512', typ: 'JWT' }, claims)).ok).toBe(false);
    expect(tokens.verify(forge({ alg: 'HS256', typ: 'JWT' }, { ...claims, iss: 'somebody' })).ok).toBe(false);
    expect(tokens.verify(forge({ alg: 'HS256', typ: 'JWT' }, { ...claims, iat: now / 1000 + 3_600 })).ok).toBe(false);
  });

  it.each(['', '..', 'a.b', 'a.b.c', 'trib_abc', `${'x'.repeat(9_000)}.y.z`])('refuses %.20s without throwing', (text) => {
    expect(tokens.verify(text).ok).toBe(false);
  });
});
