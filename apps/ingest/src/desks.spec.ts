import { describe, expect, it } from '@jest/globals';
import type { BundleResult } from '@tributary/signing';
import type { ResolveResult } from '@tributary/webcast';
import { PollDesk } from './poll-desk.js';
import { SignDesk } from './sign-desk.js';
import { ManualClock } from './testing/fakes.js';

const never = (): AbortSignal => new AbortController().signal;
const ignore = (): void => undefined;

describe('PollDesk', () => {
  it('lets an address rest that several creators in a row were refused to, and asks again afterwards', async () => {
    const clock = new ManualClock();
    let answer: ResolveResult = { kind: 'blocked', status: 403, errors: ['blocked'] };
    let asked = 0;
    const resolve = () => ((asked += 1), Promise.resolve(answer));
    const desk = new PollDesk({ resolver: { resolve }, perSecondMax: 100, clock });
    for (const name of ['a', 'b', 'c']) await desk.poll(name, false, never());
    for (const name of ['d', 'e', 'f', 'g']) expect(await desk.poll(name, false, never())).toMatchObject({ kind: 'blocked', status: 403 });
    expect(asked).toBe(3);
    await clock.advance(61_000);
    answer = { kind: 'offline' };
    expect(await desk.poll('a', false, never())).toEqual({ kind: 'offline' });
  });

  it('does not let one refused creator stop the others', async () => {
    const clock = new ManualClock();
    const resolve = (name: string): Promise<ResolveResult> =>
      Promise.resolve(name === 'bad' ? { kind: 'blocked', status: 403, errors: [] } : { kind: 'offline' });
    const desk = new PollDesk({ resolver: { resolve }, perSecondMax: 100, clock });
    for (let round = 0; round < 10; round += 1) {
      await desk.poll('bad', false, never());
      expect(await desk.poll('good', false, never())).toEqual({ kind: 'offline' });
    }
  });
});

describe('SignDesk', () => {
  it('lets every connection wait when the signer says that its limit is reached', async () => {
    const clock = new ManualClock();
    let calls = 0;
    const limited: BundleResult = { ok: false, reason: 'rate-limited', message: 'slow down', retryAfterMs: 30_000 };
    const signer = {
      fetchBundle: () => ((calls += 1), Promise.resolve(limited)),
      roomId: () => Promise.resolve({ ok: true as const, live: true }),
    };
    const desk = new SignDesk({ signer, perMinuteMax: 100, clock });
    await desk.sign({ roomId: '1' }, false, never(), ignore);
    for (let n = 0; n < 20; n += 1) void desk.sign({ roomId: '1' }, true, never(), ignore);
    await clock.advance(29_000);
    expect(calls).toBe(1);
    await clock.advance(2_000);
    expect(calls).toBeGreaterThan(1);
  });

  it('spends on a room lookup only what connections do not wait for', async () => {
    const clock = new ManualClock();
    const signer = {
      fetchBundle: () => new Promise<BundleResult>(ignore),
      roomId: () => Promise.resolve({ ok: true as const, live: true }),
    };
    const desk = new SignDesk({ signer, perMinuteMax: 2, clock });
    expect(await desk.roomId('a', never())).toEqual({ ok: true, live: true });
    void desk.sign({ roomId: '1' }, false, never(), ignore);
    expect(await desk.roomId('a', never())).toMatchObject({ ok: false, reason: 'rate-limited' });
    expect(desk.queue.waiting).toBe(0);
  });
});
