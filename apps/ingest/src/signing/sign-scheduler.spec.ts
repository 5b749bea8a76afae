import { describe, expect, it } from '@jest/globals';
import type { BundleResult, Signer } from '@tributary/signing';
import type { Ticket } from '../pacing/rate-limited-queue.js';
import { ManualClock, settle } from '../testing/fakes.js';
import { SignScheduler, type SignQuery } from './sign-scheduler.js';

const never = (): AbortSignal => new AbortController().signal;
const ignore = (): void => undefined;
const PROXY = 'http://user:geheim@10.0.0.1:8080/';

const creator: SignQuery['creator'] = { id: 'cr_1', uniqueId: 'alice', options: {} };
const query: SignQuery = { roomId: '1', creator };

function signHarness(fetchBundle: Signer['fetchBundle'], perMinuteMax: number, secrets = {}) {
  const clock = new ManualClock();
  const signer: Signer = { fetchBundle, roomId: () => Promise.resolve({ ok: true, live: true }) };
  return { clock, scheduler: new SignScheduler({ signer, perMinuteMax, clock, secrets: () => ({ ok: true, secrets }) }) };
}

const bundleOf = (cookies: string): BundleResult => ({
  ok: true,
  bundle: { fetchResult: new Uint8Array(0), cookies, roomId: '1', userAgent: 'ua', provider: 'p' },
});

describe('SignScheduler', () => {
  it('pauses every connection when the signer reports that its limit is reached', async () => {
    let calls = 0;
    const limited: BundleResult = { ok: false, reason: 'rate-limited', message: 'slow down', retryAfterMs: 30_000 };
    const { clock, scheduler } = signHarness(() => ((calls += 1), Promise.resolve(limited)), 100);
    await scheduler.sign(query, false, never(), ignore);
    for (let n = 0; n < 20; n += 1) void scheduler.sign(query, true, never(), ignore);
    await clock.advance(29_000);
    expect(calls).toBe(1);
    await clock.advance(2_000);
    expect(calls).toBeGreaterThan(1);
  });

  it('looks up a room only while no connection waits for the budget', async () => {
    const { scheduler } = signHarness(() => new Promise<BundleResult>(ignore), 2);
    expect(await scheduler.roomId('a', never())).toEqual({ ok: true, live: true });
    void scheduler.sign(query, false, never(), ignore);
    expect(await scheduler.roomId('a', never())).toMatchObject({ ok: false, reason: 'rate-limited' });
    expect(scheduler.queue.waiting).toBe(0);
  });

  it('sends the session cookie of a creator with its own call alone, and with its own socket', async () => {
    const queries: object[] = [];
    const secrets = { sessionCookie: 'sessionid=abc; ttwid=old', proxy: PROXY };
    const { scheduler } = signHarness((asked) => (queries.push(asked), Promise.resolve(bundleOf('ttwid=new; msToken=m'))), 10, secrets);
    expect(await scheduler.sign(query, false, never(), ignore)).toMatchObject({
      ok: true,
      bundle: { cookies: 'ttwid=new; sessionid=abc; msToken=m', userAgent: 'ua', proxy: PROXY },
    });
    expect(queries).toEqual([{ roomId: '1', uniqueId: 'alice', cookies: 'sessionid=abc; ttwid=old', fresh: undefined }]);
  });

  it('signs nothing for a creator whose secrets do not open', async () => {
    const clock = new ManualClock();
    const fetchBundle = () => Promise.reject(new Error('not to be called'));
    const signer: Signer = { fetchBundle, roomId: () => Promise.resolve({ ok: true, live: true }) };
    const scheduler = new SignScheduler({ signer, perMinuteMax: 5, clock, secrets: () => ({ ok: false, message: 'no key' }) });
    expect(await scheduler.sign(query, false, never(), ignore)).toEqual({ ok: false, reason: 'unavailable', message: 'no key' });
  });

  it('drops a room that ended in the queue without a call, after two checks', async () => {
    let calls = 0;
    const { clock, scheduler } = signHarness(() => ((calls += 1), Promise.resolve(bundleOf('ttwid=1'))), 1);
    await scheduler.sign(query, false, never(), ignore);
    for (let n = 0; n < 20; n += 1) void scheduler.sign(query, false, never(), ignore);
    let checks = 0;
    const gone = scheduler.sign(query, false, never(), ignore, () => Promise.resolve((checks += 1) === 1));
    await clock.advance(8 * 60_000);
    expect(await gone).toMatchObject({ ok: false, reason: 'offline' });
    expect({ checks, calls }).toEqual({ checks: 3, calls: 9 });
  });

  it('probes a signer that is down with one call at a time, and starts all waiting calls as soon as it answers', async () => {
    let calls = 0;
    let isDown = true;
    const down: BundleResult = { ok: false, reason: 'unavailable', message: 'connection refused' };
    const { clock, scheduler } = signHarness(() => ((calls += 1), Promise.resolve(isDown ? down : bundleOf('ttwid=1'))), 600);
    let connected = 0;
    const connect = async (id: string) => {
      const asked: SignQuery = { roomId: '1', creator: { ...creator, id } };
      for (;;) {
        const result = await scheduler.sign(asked, true, never(), ignore);
        if (result?.ok) return (connected += 1);
        await clock.sleep(result?.retryAfterMs ?? 100, never());
      }
    };
    const all = Array.from({ length: 200 }, (_, n) => connect(`cr_${n}`));
    for (let second = 0; second < 60; second += 1) await clock.advance(1_000);
    expect(connected).toBe(0);
    expect(calls).toBeLessThan(300);
    isDown = false;
    for (let second = 0; second < 6; second += 1) await clock.advance(1_000);
    await Promise.all(all);
    expect(connected).toBe(200);
  });

  it('does not conclude from one creator without an answer that the signer is down', async () => {
    const down: BundleResult = { ok: false, reason: 'timeout', message: 'too late' };
    const { scheduler } = signHarness(({ uniqueId }) => Promise.resolve(uniqueId === 'bad' ? down : bundleOf('ttwid=1')), 600);
    const bad = { roomId: '1', creator: { ...creator, uniqueId: 'bad' } };
    for (let n = 0; n < 10; n += 1) expect(await scheduler.sign(bad, false, never(), ignore)).toEqual(down);
    expect(await scheduler.sign(query, false, never(), ignore)).toMatchObject({ ok: true });
  });

  it('shows 1,000 connections on 5 calls a minute their place and wait, at next to no cost', async () => {
    const { scheduler } = signHarness(() => Promise.resolve(bundleOf('ttwid=1')), 5);
    const tickets: Ticket[] = [];
    for (let n = 0; n < 1_000; n += 1) void scheduler.sign(query, false, never(), (ticket) => tickets.push(ticket));
    await settle();
    const startedAt = performance.now();
    scheduler.queue.renumber();
    const shown = tickets.map((ticket) => ({ place: ticket.place(), minutes: ticket.waitMs() / 60_000 }));
    const tookMs = performance.now() - startedAt;
    expect(shown.slice(0, 5)).toEqual(Array(5).fill({ place: 0, minutes: 0 }));
    expect(shown.slice(5).map(({ place }) => place)).toEqual(Array.from({ length: 995 }, (_, n) => n + 1));
    expect(shown.at(-1)!.minutes).toBeCloseTo(199, 0);
    expect(tookMs).toBeLessThan(25);
  });
});
