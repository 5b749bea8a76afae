import { createHmac, createPublicKey, verify } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { newSecretPair, publicKeyText, readSharedSecret, sharedSecretText, Signer } from './signature.js';

const ID = 'dlv_1';
const AT = 1_614_265_330;

/** A verifier written from the standard alone. */
function accepts(header: string, secret: string, id: string, timestamp: number, body: string): boolean {
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  const wanted = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64');
  return header.split(' ').some((one) => one === `v1,${wanted}`);
}

function acceptsEd25519(header: string, publicKey: string, id: string, timestamp: number, body: string): boolean {
  const x = Buffer.from(publicKey.replace(/^whpk_/, ''), 'base64').toString('base64url');
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
  return header
    .split(' ')
    .filter((one) => one.startsWith('v1a,'))
    .some((one) => verify(null, Buffer.from(`${id}.${timestamp}.${body}`), key, Buffer.from(one.slice(4), 'base64')));
}

describe('signing', () => {
  it('gives the signature that the standard publishes for its example', () => {
    const secret = readSharedSecret('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw')!;
    const signer = new Signer([newSecretPair(secret)], ['v1']);
    expect(signer.sign('msg_p5jXN8AQM9LWM0D4loKWxJek', AT, '{"test": 2432232314}')).toBe('v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=');
  });

  it('signs with both schemes when both are asked for', () => {
    const pair = newSecretPair();
    const header = new Signer([pair], ['v1', 'v1a']).sign(ID, AT, '{"ä":1}');
    expect(header.split(' ')).toHaveLength(2);
    expect(accepts(header, sharedSecretText(pair), ID, AT, '{"ä":1}')).toBe(true);
    expect(acceptsEd25519(header, publicKeyText(pair), ID, AT, '{"ä":1}')).toBe(true);
    expect(acceptsEd25519(header, publicKeyText(pair), ID, AT, '{"ä":2}')).toBe(false);
  });

  it('signs with the old secret too until its grace has ended, and no longer', () => {
    const [old, fresh] = [newSecretPair(), newSecretPair()];
    const signer = new Signer([fresh, { ...old, until: 1_000 }], ['v1', 'v1a']);
    const during = signer.sign(ID, AT, 'x', 999);
    const after = signer.sign(ID, AT, 'x', 1_000);
    expect([old, fresh].map((pair) => accepts(during, sharedSecretText(pair), ID, AT, 'x'))).toEqual([true, true]);
    expect([old, fresh].map((pair) => acceptsEd25519(during, publicKeyText(pair), ID, AT, 'x'))).toEqual([true, true]);
    expect([old, fresh].map((pair) => accepts(after, sharedSecretText(pair), ID, AT, 'x'))).toEqual([false, true]);
    expect([old, fresh].map((pair) => acceptsEd25519(after, publicKeyText(pair), ID, AT, 'x'))).toEqual([false, true]);
  });

  it('makes secrets of the form that receivers expect', () => {
    const pair = newSecretPair();
    expect(readSharedSecret(sharedSecretText(pair))).toBe(pair.shared);
    expect(publicKeyText(pair)).toMatch(/^whpk_[A-Za-z0-9+/]{43}=$/);
  });

  it.each([
    ['no prefix', Buffer.alloc(32).toString('base64')],
    ['23 bytes', `whsec_${Buffer.alloc(23).toString('base64')}`],
    ['65 bytes', `whsec_${Buffer.alloc(65).toString('base64')}`],
    ['not base64', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa-_'],
    ['stray bits', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS'],
  ])('refuses a secret with %s', (_, text) => {
    expect(readSharedSecret(text)).toBeUndefined();
  });
});
