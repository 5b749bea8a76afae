import { describe, expect, it } from '@jest/globals';
import { Webhook as StandardWebhook } from 'standardwebhooks';
import { Webhook as SvixWebhook } from 'svix';
import { newSecretPair, sharedSecretText, Signer } from './signature.js';

const BODIES = { single: '{"specversion":"1.0","data":{"comment":"grüße 👋"}}', batch: '[{"specversion":"1.0"},{"specversion":"1.0"}]' };

/** The verifiers that receivers install, fed with our headers. */
const VERIFIERS = {
  standardwebhooks: (secret: string, body: string, headers: Record<string, string>) => new StandardWebhook(secret).verify(body, headers),
  svix: (secret: string, body: string, headers: Record<string, string>) => new SvixWebhook(secret).verify(body, headers),
};

describe.each(Object.entries(VERIFIERS))('the independent verifier %s', (_name, verify) => {
  const headersOf = (signer: Signer, body: string, at = Math.floor(Date.now() / 1000)) => ({
    'webhook-id': 'dlv_1',
    'webhook-timestamp': String(at),
    'webhook-signature': signer.sign('dlv_1', at, body),
  });

  it.each(Object.entries(BODIES))('accepts a %s delivery, with v1 alone and beside v1a', (_kind, body) => {
    const pair = newSecretPair();
    for (const schemes of [['v1'], ['v1', 'v1a']] as const) {
      const signed = headersOf(new Signer([pair], schemes), body);
      expect(verify(sharedSecretText(pair), body, signed)).toEqual(JSON.parse(body));
    }
  });

  it('accepts the old and the new secret while both are in force, and the new one alone afterwards', () => {
    const [now, old] = [newSecretPair(), newSecretPair()];
    const rotating = headersOf(new Signer([now, { ...old, until: Date.now() + 60_000 }], ['v1']), BODIES.single);
    expect(() => verify(sharedSecretText(now), BODIES.single, rotating)).not.toThrow();
    expect(() => verify(sharedSecretText(old), BODIES.single, rotating)).not.toThrow();
    const rotated = headersOf(new Signer([now, { ...old, until: Date.now() - 1 }], ['v1']), BODIES.single);
    expect(() => verify(sharedSecretText(now), BODIES.single, rotated)).not.toThrow();
    expect(() => verify(sharedSecretText(old), BODIES.single, rotated)).toThrow();
  });

  it('refuses a changed body, another id and an old timestamp', () => {
    const pair = newSecretPair();
    const signer = new Signer([pair], ['v1']);
    const secret = sharedSecretText(pair);
    expect(() => verify(secret, `${BODIES.single} `, headersOf(signer, BODIES.single))).toThrow();
    expect(() => verify(secret, BODIES.single, { ...headersOf(signer, BODIES.single), 'webhook-id': 'dlv_2' })).toThrow();
    expect(() => verify(secret, BODIES.single, headersOf(signer, BODIES.single, Math.floor(Date.now() / 1000) - 3_600))).toThrow();
  });
});
