import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Config } from '@tributary/runtime';
import { HttpSigner } from '@tributary/signing';
import { Simulator } from '@tributary/testing';
import { type RunningSigner, startSigner } from '../testing/start-signer.js';

const NAME = 'luna.bakes';
const never = () => new AbortController().signal;

describe('bundles that equal requests share', () => {
  let simulator: Simulator;
  const signers: RunningSigner[] = [];

  const start = async (changes: Partial<Config> = {}) => {
    const tiktok = { tiktokWebUrl: simulator.url, tiktokWebcastUrl: simulator.url, tiktokSocketUrl: simulator.socketUrl };
    const signer = await startSigner({ signProviders: ['simulator'], ...tiktok, signShareMs: 20_000, ...changes });
    signers.push(signer);
    return signer;
  };
  beforeEach(async () => {
    simulator = await new Simulator({ rooms: [{ uniqueId: NAME, rate: 10 }] }).start();
  });
  afterEach(async () => {
    await Promise.all(signers.splice(0).map((signer) => signer.stop()));
    await simulator.stop();
  });
  const roomId = () => simulator.room(NAME)?.roomId ?? '';
  const fetches = () => simulator.stats().requests['im/fetch'] ?? 0;
  const bundle = (signer: RunningSigner, query: { cookies?: string; cursor?: string; userAgent?: string } = {}) =>
    new HttpSigner({ url: signer.url, timeoutMs: 60_000 }).fetchBundle({ roomId: roomId(), ...query }, never());

  it('asks TikTok once for a thousand equal requests', async () => {
    const signer = await start();
    const results = await Promise.all(Array.from({ length: 1_000 }, () => bundle(signer)));
    expect(results.filter(({ ok }) => ok)).toHaveLength(1_000);
    expect(fetches()).toBe(1);
  });

  it('asks TikTok once over several signers', async () => {
    const redisPrefix = `share-${process.pid}-${Date.now()}`;
    const three = await Promise.all([1, 2, 3].map(() => start({ redisPrefix })));
    const results = await Promise.all(Array.from({ length: 60 }, (_, i) => bundle(three[i % 3] as RunningSigner)));
    expect(results.filter(({ ok }) => ok)).toHaveLength(60);
    expect(fetches()).toBe(1);
  });

  it('shares nothing that belongs to one client: a session, a position, another browser, a wish for its own', async () => {
    const signer = await start();
    await bundle(signer);
    await bundle(signer, { cookies: 'sessionid=mine' });
    await bundle(signer, { cursor: 't-1' });
    await bundle(signer, { userAgent: 'Mozilla/5.0 (another browser)' });
    await fetch(`${signer.url}/webcast/rooms/${roomId()}/connect`, { headers: { 'cache-control': 'no-cache' } });
    expect(fetches()).toBe(5);
    await bundle(signer);
    expect(fetches()).toBe(5);
  });

  it('gives who was refused by the socket a bundle of a new visitor, by every provider', async () => {
    for (const provider of ['simulator', 'anonymous']) {
      const signer = await start({ signProviders: [provider] });
      const cookiesOf = async (fresh: boolean) => {
        const result = await new HttpSigner({ url: signer.url, timeoutMs: 60_000 }).fetchBundle({ roomId: roomId(), fresh }, never());
        return result.ok ? result.bundle.cookies : result.message;
      };
      const [first, refused, after] = [await cookiesOf(false), await cookiesOf(true), await cookiesOf(true)];
      expect([first.startsWith('ttwid='), refused === first, after === refused]).toEqual([true, false, false]);
    }
  });

  it('gives each request its own where sharing is switched off', async () => {
    const signer = await start({ signShareMs: 0 });
    await Promise.all([bundle(signer), bundle(signer), bundle(signer)]);
    expect(fetches()).toBe(3);
  });

  it('shares no failure for longer than the request that met it', async () => {
    const signer = await start();
    simulator.fault({ kind: 'http500', path: '/webcast/im/fetch/', count: 1 });
    const failed = await Promise.all([bundle(signer), bundle(signer)]);
    expect(failed.map(({ ok }) => ok)).toEqual([false, false]);
    expect((await bundle(signer)).ok).toBe(true);
  });

  it('asks for one visitor and uses it for many rooms, and takes a new one when TikTok no longer trusts it', async () => {
    const redisPrefix = `visitor-${process.pid}-${Date.now()}`;
    const signer = await start({ redisPrefix, signShareMs: 0 });
    for (let i = 0; i < 5; i++) expect((await bundle(signer)).ok).toBe(true);
    expect(simulator.stats().requests.home).toBe(1);
    // A TikTok that has forgotten all its visitors.
    await signer.stop();
    signers.length = 0;
    await simulator.stop();
    simulator = await new Simulator({ rooms: [{ uniqueId: NAME }], port: Number(new URL(simulator.url).port) }).start();
    const later = await start({ redisPrefix, signShareMs: 0 });
    const first = await bundle(later);
    expect(first.ok || first.reason).toBe('blocked');
    expect((await bundle(later)).ok).toBe(true);
  });
});
