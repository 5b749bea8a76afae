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
    expect(tokens.verify(token)).toEqual({ ok: false, isForged: false, message: 'the token has expired' });
  });

  it('refuses a token that was changed, or made with another secret', () => {
    const [header, , signature] = mint().split('.');
    const claims = Buffer.from(JSON.stringify({ iss: 'tributary-signer', sub: 'key_1', creators: null, iat: 0, exp: 9e9 })).toString(
      'base64url',
    );
    expect(tokens.verify(`${header}.${claims}.${signature}`)).toMatchObject({ ok: false, isForged: true });
    for (const more of ['.', '.x', `.${signature}`]) expect(tokens.verify(mint() + more)).toMatchObject({ ok: false, isForged: true });
    expect(new Tokens('another secret of thirty-two characters', () => now).verify(mint())).toMatchObject({ ok: false, isForged: true });
  });

  it('lets no token choose its algorithm, and no token of something else in', () => {
    const claims = { iss: 'tributary-signer', jti: 'x', sub: 'k', creators: null, iat: now / 1000, exp: now / 1000 + 60 };
    expect(tokens.verify(forge({ alg: 'HS256', typ: 'JWT' }, claims)).ok).toBe(true);
    expect(tokens.verify(forge({ alg: 'none' }, claims))).toMatchObject({ ok: false, message: expect.stringContaining('HS256') });
    expect(tokens.verify(forge({ alg: 'HS512', typ: 'JWT' }, claims)).ok).toBe(false);
    expect(tokens.verify(forge({ alg: 'HS256', typ: 'JWT' }, { ...claims, iss: 'somebody' })).ok).toBe(false);
    expect(tokens.verify(forge({ alg: 'HS256', typ: 'JWT' }, { ...claims, iat: now / 1000 + 3_600 })).ok).toBe(false);
  });

  const CLAIMS = { iss: 'tributary-signer', jti: 'x', sub: 'key_1', creators: null, iat: 1_795_000_000, exp: 1_795_000_060 };
  const verified = (claims: unknown) => tokens.verify(forge({ alg: 'HS256', typ: 'JWT' }, claims as object)).ok;

  it.each([
    [{}],
    [{ creators: ['luna.bakes', 'two'] }],
    // Handles that could be taken for addresses.
    [{ creators: ['tiktok.com', 'a.tiktok.com'] }],
    [{ limits: { minute: 1, hour: 0, day: 0 } }],
    [{ key: 'a'.repeat(64), name: 'page' }],
  ])('reads what it says: %j', (claims) => expect(verified({ ...CLAIMS, ...claims })).toBe(true));

  it.each([
    ['creators that are a text, of which parts would match', { creators: 'luna.bakes' }],
    ['creators that are an object', { creators: { 'luna.bakes': true } }],
    ['creators that are a number', { creators: 1 }],
    ['no creators at all', { creators: undefined }],
    ['an empty list of creators', { creators: [] }],
    ['creators in lists', { creators: [['luna.bakes']] }],
    ['a creator that is null', { creators: ['luna.bakes', null] }],
    ['a creator in another case than it is compared in', { creators: ['Luna.Bakes'] }],
    ['a creator with @', { creators: ['@luna.bakes'] }],
    ['a creator with a wildcard', { creators: ['*'] }],
    ['too many creators', { creators: Array.from({ length: 51 }, (_, i) => `name${i}`) }],
    ['a restriction that is not known', { groups: ['g'] }],
    ['a restriction in another case', { Creators: ['luna.bakes'] }],
    ['a restriction that its prototype would have', JSON.parse('{"__proto__": {"creators": null}}') as object],
    ['limits that are a text', { limits: '10' }],
    ['limits that are a list', { limits: [1, 2, 3] }],
    ['a limit that is missing', { limits: { minute: 1 } }],
    ['a limit that is not known', { limits: { minute: 1, hour: 0, day: 0, second: 1 } }],
    ['a limit below nothing', { limits: { minute: -1, hour: 0, day: 0 } }],
    ['no end', { exp: undefined }],
    ['an end that is a text', { exp: '9999999999' }],
    ['an end that is null', { exp: null }],
    ['an end beyond numbers', { exp: Infinity }],
    ['no id', { jti: undefined }],
    ['no key', { sub: '' }],
    ['a key that is no hash', { key: 'trib_x' }],
  ])('is refused with %s', (_, claims) => expect(verified({ ...CLAIMS, ...claims })).toBe(false));

  it.each([[null], [[CLAIMS]], ['text'], [1]])('is refused where it says %j', (claims) => expect(verified(claims)).toBe(false));

  it.each(['', '..', 'a.b', 'a.b.c', 'trib_abc', `${'x'.repeat(9_000)}.y.z`])('refuses %.20s without throwing', (text) => {
    expect(tokens.verify(text).ok).toBe(false);
  });
});
