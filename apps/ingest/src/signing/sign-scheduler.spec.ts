import { describe, expect, it } from '@jest/globals';
import type { BundleResult, Signer } from '@tributary/signing';
import type { CheckAliveResult, ResolveResult } from '@tributary/webcast';
import { PollDesk, type Resolver } from '../discovery/liveness-poller.js';
import { SignDesk, type SignQuery } from './sign-scheduler.js';
import { ManualClock, settle } from '../testing/fakes.js';
import type { Ticket } from '../pacing/rate-limited-queue.js';

const never = (): AbortSignal => new AbortController().signal;
const ignore = (): void => undefined;
const PROXY = 'http://user:geheim@10.0.0.1:8080/';

/** A TikTok that answers each address as a test says, and notes what it was asked. */
class Tiktok implements Resolver {
  readonly asked: string[] = [];
  readonly batches: string[][] = [];
  answer: (name: string, isProxied: boolean) => ResolveResult = () => ({ kind: 'offline' });
  alive: (roomIds: readonly string[]) => CheckAliveResult = (ids) => ({ kind: 'ok', alive: new Map(ids.map((id) => [id, true])) });

  resolve: Resolver['resolve'] = (name, _signal, identity) => {
    const isProxied = identity?.dispatcher !== undefined;
    this.asked.push(isProxied ? `${name} by proxy` : name);
    return Promise.resolve(this.answer(name, isProxied));
  };
  checkAlive: Resolver['checkAlive'] = (roomIds) => {
    this.batches.push([...roomIds]);
    return Promise.resolve(this.alive(roomIds));
  };
  roomInfo: Resolver['roomInfo'] = () => Promise.resolve({ kind: 'gated', code: 20_003 });
}

function pollScene(perSecondMax = 100) {
  const clock = new ManualClock();
  const tiktok = new Tiktok();
  const dispatcher = () => ({ destroy: () => Promise.resolve() }) as unknown as ReturnType<Required<PollDesk['options']>['dispatcher']>;
  return { clock, tiktok, desk: new PollDesk({ resolver: tiktok, perSecondMax, clock, dispatcher }) };
}

const blocked = (status = 403, retryAfterMs?: number): ResolveResult => ({ kind: 'blocked', status, retryAfterMs, errors: ['blocked'] });

describe('PollDesk', () => {
  it('lets an address rest that several creators in a row were refused to, and asks again afterwards', async () => {
    const { clock, tiktok, desk } = pollScene();
    tiktok.answer = () => blocked();
    for (const name of ['a', 'b', 'c']) await desk.poll(name, false, never());
    for (const name of ['d', 'e', 'f', 'g']) expect(await desk.poll(name, false, never())).toMatchObject({ kind: 'blocked', status: 403 });
    expect(tiktok.asked).toHaveLength(3);
    await clock.advance(61_000);
    tiktok.answer = () => ({ kind: 'offline' });
    expect(await desk.poll('a', false, never())).toEqual({ kind: 'offline' });
  });

  it('does not let one refused creator stop the others', async () => {
    const { tiktok, desk } = pollScene();
    tiktok.answer = (name) => (name === 'bad' ? blocked() : { kind: 'offline' });
    for (let round = 0; round < 10; round += 1) {
      await desk.poll('bad', false, never());
      expect(await desk.poll('good', false, never())).toEqual({ kind: 'offline' });
    }
  });

  it('rests at once on a 429, for as long as it is told', async () => {
    const { clock, tiktok, desk } = pollScene();
    tiktok.answer = () => blocked(429, 600_000);
    await desk.poll('a', false, never());
    await clock.advance(1_000);
    expect(await desk.poll('b', false, never())).toMatchObject({ kind: 'blocked', status: 429, retryAfterMs: 599_000 });
    expect(tiktok.asked).toEqual(['a']);
  });

  it('sends one probe after a rest, and rests longer where that is refused', async () => {
    const { clock, tiktok, desk } = pollScene();
    tiktok.answer = () => blocked(429);
    await desk.poll('a', false, never());
    const restsMs = [desk.restsUntil - clock.now()];
    for (let round = 0; round < 2; round += 1) {
      await clock.advance(restsMs.at(-1)! + 1);
      await Promise.all(['b', 'c', 'd', 'e'].map((name) => desk.poll(name, false, never())));
      restsMs.push(desk.restsUntil - clock.now());
    }
    expect(tiktok.asked).toEqual(['a', 'b', 'b']);
    expect(restsMs).toEqual([60_000, 120_000, 240_000]);
  });

  it('learns of a block from TikTok also where the sign server answered in its place', async () => {
    const { tiktok, desk } = pollScene();
    tiktok.answer = () => ({ kind: 'offline', source: 'sign server', block: { status: 429, retryAfterMs: 60_000 } });
    expect(await desk.poll('a', false, never())).toMatchObject({ kind: 'offline' });
    expect(await desk.poll('b', false, never())).toMatchObject({ kind: 'blocked' });
  });

  it('gives every proxy a pace and a rest of its own: a blocked one stops nobody else, and is named without its password', async () => {
    const { clock, tiktok, desk } = pollScene(2);
    tiktok.answer = (_name, isProxied) => (isProxied ? blocked(429, 300_000) : { kind: 'offline' });
    expect(await desk.poll('x', false, never(), PROXY)).toMatchObject({ kind: 'blocked' });
    const resting = await desk.poll('y', false, never(), PROXY);
    expect(resting).toMatchObject({ kind: 'blocked', errors: [expect.stringContaining('http://***@10.0.0.1:8080')] });
    expect(JSON.stringify(resting)).not.toContain('geheim');
    expect(await desk.poll('z', false, never())).toEqual({ kind: 'offline' });
    expect(desk.addresses).toEqual({ used: 2, resting: 1 });
    expect(desk.restsUntil).toBeLessThanOrEqual(clock.now());

    tiktok.answer = () => ({ kind: 'offline' });
    await clock.advance(301_000);
    await desk.poll('probe', false, never(), PROXY);
    await clock.advance(2_000);
    const polls = Array.from({ length: 8 }, (_, n) => desk.poll(`n${n}`, false, never(), n % 2 === 0 ? PROXY : undefined));
    await settle();
    expect(tiktok.asked.slice(-4).sort()).toEqual(['n0 by proxy', 'n1', 'n2 by proxy', 'n3']);
    await clock.advance(5_000);
    await Promise.all(polls);
  });

  it('asks whether rooms are on air in batches of 50, urgent ones first, and each room once', async () => {
    const { clock, tiktok, desk } = pollScene();
    const answers = Array.from({ length: 120 }, (_, n) => desk.isAlive(`70000000000000${n % 110}`, n >= 100, never()));
    await clock.advance(5_000);
    expect(await Promise.all(answers)).toEqual(Array(120).fill(true));
    expect(tiktok.batches.map(({ length }) => length)).toEqual([50, 50, 10]);
    expect(tiktok.batches[0]).toContain('70000000000000105');
  });

  it('says nothing of a room where the batch fails, the address rests, or TikTok leaves it out', async () => {
    const { clock, tiktok, desk } = pollScene();
    const ask = async () => {
      const answer = desk.isAlive('7000000000000001', false, never());
      await clock.advance(1_000);
      return answer;
    };
    tiktok.alive = () => ({ kind: 'failed', errors: [] });
    expect(await ask()).toBeUndefined();
    tiktok.alive = () => ({ kind: 'ok', alive: new Map() });
    expect(await ask()).toBeUndefined();
    tiktok.alive = () => ({ kind: 'blocked', status: 429 });
    expect(await ask()).toBeUndefined();
    const asked = tiktok.batches.length;
    expect(await ask()).toBeUndefined();
    expect(tiktok.batches).toHaveLength(asked);
  });

  it('forgets a batched question whose identity has gone', async () => {
    const { clock, tiktok, desk } = pollScene();
    const gone = new AbortController();
    const answer = desk.isAlive('7000000000000001', false, gone.signal);
    gone.abort();
    expect(await answer).toBeUndefined();
    await clock.advance(1_000);
    expect(tiktok.batches).toEqual([]);
  });
});

const creator: SignQuery['creator'] = { id: 'cr_1', uniqueId: 'alice', options: {} };
const query: SignQuery = { roomId: '1', creator };

function signScene(fetchBundle: Signer['fetchBundle'], perMinuteMax: number, secrets = {}) {
  const clock = new ManualClock();
  const signer: Signer = { fetchBundle, roomId: () => Promise.resolve({ ok: true, live: true }) };
  return { clock, desk: new SignDesk({ signer, perMinuteMax, clock, secrets: () => ({ ok: true, secrets }) }) };
}

const bundleOf = (cookies: string): BundleResult => ({
  ok: true,
  bundle: { fetchResult: new Uint8Array(0), cookies, roomId: '1', userAgent: 'ua', provider: 'p' },
});

describe('SignDesk', () => {
  it('lets every connection wait when the signer says that its limit is reached', async () => {
    let calls = 0;
    const limited: BundleResult = { ok: false, reason: 'rate-limited', message: 'slow down', retryAfterMs: 30_000 };
    const { clock, desk } = signScene(() => ((calls += 1), Promise.resolve(limited)), 100);
    await desk.sign(query, false, never(), ignore);
    for (let n = 0; n < 20; n += 1) void desk.sign(query, true, never(), ignore);
    await clock.advance(29_000);
    expect(calls).toBe(1);
    await clock.advance(2_000);
    expect(calls).toBeGreaterThan(1);
  });

  it('spends on a room lookup only what connections do not wait for', async () => {
    const { desk } = signScene(() => new Promise<BundleResult>(ignore), 2);
    expect(await desk.roomId('a', never())).toEqual({ ok: true, live: true });
    void desk.sign(query, false, never(), ignore);
    expect(await desk.roomId('a', never())).toMatchObject({ ok: false, reason: 'rate-limited' });
    expect(desk.queue.waiting).toBe(0);
  });

  it('sends the session of a creator with its own call alone, and pins it to the socket beside what was signed', async () => {
    const queries: object[] = [];
    const secrets = { sessionCookie: 'sessionid=abc; ttwid=old', proxy: PROXY };
    const { desk } = signScene((asked) => (queries.push(asked), Promise.resolve(bundleOf('ttwid=new; msToken=m'))), 10, secrets);
    expect(await desk.sign(query, false, never(), ignore)).toMatchObject({
      ok: true,
      bundle: { cookies: 'ttwid=new; sessionid=abc; msToken=m', userAgent: 'ua', proxy: PROXY },
    });
    expect(queries).toEqual([{ roomId: '1', uniqueId: 'alice', cookies: 'sessionid=abc; ttwid=old', fresh: undefined }]);
  });

  it('signs nothing for a creator whose secrets do not open: it would be seen as somebody else', async () => {
    const clock = new ManualClock();
    const fetchBundle = () => Promise.reject(new Error('not to be called'));
    const signer: Signer = { fetchBundle, roomId: () => Promise.resolve({ ok: true, live: true }) };
    const desk = new SignDesk({ signer, perMinuteMax: 5, clock, secrets: () => ({ ok: false, message: 'no key' }) });
    expect(await desk.sign(query, false, never(), ignore)).toEqual({ ok: false, reason: 'unavailable', message: 'no key' });
  });

  it('lets a room that ended in the queue go without a call, after two looks', async () => {
    let calls = 0;
    const { clock, desk } = signScene(() => ((calls += 1), Promise.resolve(bundleOf('ttwid=1'))), 1);
    await desk.sign(query, false, never(), ignore);
    for (let n = 0; n < 20; n += 1) void desk.sign(query, false, never(), ignore);
    let looks = 0;
    const gone = desk.sign(query, false, never(), ignore, () => Promise.resolve((looks += 1) === 1));
    await clock.advance(8 * 60_000);
    expect(await gone).toMatchObject({ ok: false, reason: 'offline' });
    expect({ looks, calls }).toEqual({ looks: 3, calls: 9 });
  });

  it('asks a signer that is away by one at a time, and lets all who wait go on as soon as it answers', async () => {
    let calls = 0;
    let isAway = true;
    const away: BundleResult = { ok: false, reason: 'unavailable', message: 'connection refused' };
    const { clock, desk } = signScene(() => ((calls += 1), Promise.resolve(isAway ? away : bundleOf('ttwid=1'))), 600);
    let connected = 0;
    const connect = async (id: string) => {
      const asked: SignQuery = { roomId: '1', creator: { ...creator, id } };
      for (;;) {
        const result = await desk.sign(asked, true, never(), ignore);
        if (result?.ok) return (connected += 1);
        await clock.sleep(result?.retryAfterMs ?? 100, never());
      }
    };
    const all = Array.from({ length: 200 }, (_, n) => connect(`cr_${n}`));
    for (let second = 0; second < 60; second += 1) await clock.advance(1_000);
    expect(connected).toBe(0);
    expect(calls).toBeLessThan(300);
    isAway = false;
    for (let second = 0; second < 6; second += 1) await clock.advance(1_000);
    await Promise.all(all);
    expect(connected).toBe(200);
  });

  it('does not take one creator that gets no answer for a signer that is away', async () => {
    const away: BundleResult = { ok: false, reason: 'timeout', message: 'too late' };
    const { desk } = signScene(({ uniqueId }) => Promise.resolve(uniqueId === 'bad' ? away : bundleOf('ttwid=1')), 600);
    const bad = { roomId: '1', creator: { ...creator, uniqueId: 'bad' } };
    for (let n = 0; n < 10; n += 1) expect(await desk.sign(bad, false, never(), ignore)).toEqual(away);
    expect(await desk.sign(query, false, never(), ignore)).toMatchObject({ ok: true });
  });

  it('tells 1,000 connections on 5 calls a minute their place and wait, at next to no cost', async () => {
    const { desk } = signScene(() => Promise.resolve(bundleOf('ttwid=1')), 5);
    const tickets: Ticket[] = [];
    for (let n = 0; n < 1_000; n += 1) void desk.sign(query, false, never(), (ticket) => tickets.push(ticket));
    await settle();
    const startedAt = performance.now();
    desk.queue.count();
    const shown = tickets.map((ticket) => ({ place: ticket.place(), minutes: ticket.waitMs() / 60_000 }));
    const tookMs = performance.now() - startedAt;
    expect(shown.slice(0, 5)).toEqual(Array(5).fill({ place: 0, minutes: 0 }));
    expect(shown.slice(5).map(({ place }) => place)).toEqual(Array.from({ length: 995 }, (_, n) => n + 1));
    expect(shown.at(-1)!.minutes).toBeCloseTo(199, 0);
    expect(tookMs).toBeLessThan(25);
  });
});
