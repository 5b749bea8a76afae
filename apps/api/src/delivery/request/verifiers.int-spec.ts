import { createPublicKey, verify } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { hookEvents, type ReceivedHook, startWebhookReceiver, waitFor, type WebhookReceiver } from '@tributary/testing';
import { Webhook } from 'standardwebhooks';
import { Webhook as SvixWebhook } from 'svix';
import { DeliveryFixture } from '../testing.js';

let fixture: DeliveryFixture;
let receiver: WebhookReceiver;

beforeEach(async () => {
  fixture = await DeliveryFixture.start();
  receiver = await startWebhookReceiver();
});
afterEach(async () => {
  await fixture.stop();
  await receiver.close();
});

const arrived = (count: number) =>
  waitFor(() => receiver.hooks.flatMap((hook) => hookEvents(hook)).length >= count, { what: `${count} events` });

/** Whether a published verifier takes a request for genuine. */
function accepts(verifier: Webhook | SvixWebhook, { headers, body }: ReceivedHook): boolean {
  try {
    verifier.verify(body, headers as Record<string, string>);
    return true;
  } catch {
    return false;
  }
}

function acceptsEd25519(publicKey: string, { headers, body }: ReceivedHook): boolean {
  const x = Buffer.from(publicKey.replace('whpk_', ''), 'base64').toString('base64url');
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
  const text = Buffer.from(`${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${body}`);
  const signatures = String(headers['webhook-signature']).split(' ');
  return signatures.some((one) => one.startsWith('v1a,') && verify(null, text, key, Buffer.from(one.slice(4), 'base64')));
}

describe('published verifiers', () => {
  it.each([
    ['single', {}],
    ['batch', { batch: { maxEvents: 20, maxWaitMs: 50 } }],
  ])('accept every %s delivery, over retries too, and refuse a changed one', async (_, more) => {
    const tries = new Map<unknown, number>();
    receiver.answer(({ headers }) => {
      const nth = (tries.get(headers['webhook-id']) ?? 0) + 1;
      tries.set(headers['webhook-id'], nth);
      return nth === 1 && tries.size % 3 === 0 ? { status: 500 } : undefined;
    });
    const { secret, publicKey } = await fixture.endpoint({ url: receiver.url('/x'), signatures: ['v1', 'v1a'], ...more });
    await fixture.claimAll(await fixture.engine());
    await fixture.events(100, { data: { user: { uniqueId: 'ünïcode' }, comment: '😀 "quoted" \\ back' } });
    await arrived(100);
    const verifiers = [new Webhook(secret), new SvixWebhook(secret)];
    for (const hook of receiver.hooks) {
      expect(verifiers.map((verifier) => accepts(verifier, hook))).toEqual([true, true]);
      expect(acceptsEd25519(publicKey, hook)).toBe(true);
    }
    const changed = { ...receiver.hooks[0]!, body: `${receiver.hooks[0]!.body} ` };
    expect(verifiers.map((verifier) => accepts(verifier, changed))).toEqual([false, false]);
    expect(acceptsEd25519(publicKey, changed)).toBe(false);
  });
});
