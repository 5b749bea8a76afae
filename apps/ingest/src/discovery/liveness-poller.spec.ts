import { describe, expect, it } from '@jest/globals';
import type { CheckAliveResult, ResolveResult } from '@tributary/webcast';
import type { Dispatcher } from 'undici';
import { ManualClock, settle } from '../testing/fakes.js';
import { LivenessPoller, type LivenessPollerOptions, type PolledCreator, type Resolver } from './liveness-poller.js';

const never = (): AbortSignal => new AbortController().signal;
const PROXY = 'http://user:geheim@10.0.0.1:8080/';
const creator = (uniqueId: string, isProxied = false): PolledCreator => ({
  id: `cr_${uniqueId}`,
  uniqueId,
  options: isProxied ? { proxy: { sealed: '', shown: '' } } : {},
});

/** A TikTok whose answers to each address the test decides. It records the requests. */
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

function pollHarness(perSecondMax = 100) {
  const clock = new ManualClock();
  const tiktok = new Tiktok();
  const dispatcher = () => ({ destroy: () => Promise.resolve() }) as unknown as Dispatcher;
  const secrets: LivenessPollerOptions['secrets'] = ({ options }) => ({ ok: true, secrets: { proxy: options.proxy && PROXY } });
  return { clock, tiktok, poller: new LivenessPoller({ resolver: tiktok, perSecondMax, clock, secrets, dispatcher }) };
}

const blocked = (status = 403, retryAfterMs?: number): ResolveResult => ({ kind: 'blocked', status, retryAfterMs, errors: ['blocked'] });

describe('LivenessPoller', () => {
  it('sends nothing through an address while it is in cooldown, after refusals of several creators in a row', async () => {
    const { clock, tiktok, poller } = pollHarness();
    tiktok.answer = () => blocked();
    for (const name of ['a', 'b', 'c']) await poller.poll(creator(name), false, never());
    for (const name of ['d', 'e', 'f', 'g'])
      expect(await poller.poll(creator(name), false, never())).toMatchObject({ kind: 'blocked', status: 403 });
    expect(tiktok.asked).toHaveLength(3);
    await clock.advance(61_000);
    tiktok.answer = () => ({ kind: 'offline' });
    expect(await poller.poll(creator('a'), false, never())).toEqual({ kind: 'offline' });
  });

  it('does not stop for one creator that is always refused', async () => {
    const { tiktok, poller } = pollHarness();
    tiktok.answer = (name) => (name === 'bad' ? blocked() : { kind: 'offline' });
    for (let round = 0; round < 10; round += 1) {
      await poller.poll(creator('bad'), false, never());
      expect(await poller.poll(creator('good'), false, never())).toEqual({ kind: 'offline' });
    }
  });

  it('starts a cooldown at once on a 429, as long as TikTok asks for', async () => {
    const { clock, tiktok, poller } = pollHarness();
    tiktok.answer = () => blocked(429, 600_000);
    await poller.poll(creator('a'), false, never());
    await clock.advance(1_000);
    expect(await poller.poll(creator('b'), false, never())).toMatchObject({ kind: 'blocked', status: 429, retryAfterMs: 599_000 });
    expect(tiktok.asked).toEqual(['a']);
  });

  it('sends one probe after a cooldown, and doubles the cooldown if that is refused', async () => {
    const { clock, tiktok, poller } = pollHarness();
    tiktok.answer = () => blocked(429);
    await poller.poll(creator('a'), false, never());
    const cooldownsMs = [poller.cooldownUntil - clock.now()];
    for (let round = 0; round < 2; round += 1) {
      await clock.advance(cooldownsMs.at(-1)! + 1);
      await Promise.all(['b', 'c', 'd', 'e'].map((name) => poller.poll(creator(name), false, never())));
      cooldownsMs.push(poller.cooldownUntil - clock.now());
    }
    expect(tiktok.asked).toEqual(['a', 'b', 'b']);
    expect(cooldownsMs).toEqual([60_000, 120_000, 240_000]);
  });

  it('notices a block by TikTok also where the sign server answered instead', async () => {
    const { tiktok, poller } = pollHarness();
    tiktok.answer = () => ({ kind: 'offline', source: 'sign server', block: { status: 429, retryAfterMs: 60_000 } });
    expect(await poller.poll(creator('a'), false, never())).toMatchObject({ kind: 'offline' });
    expect(await poller.poll(creator('b'), false, never())).toMatchObject({ kind: 'blocked' });
  });

  it('gives every proxy its own rate and cooldown: a blocked one stops no other, and is named without its password', async () => {
    const { clock, tiktok, poller } = pollHarness(2);
    tiktok.answer = (_name, isProxied) => (isProxied ? blocked(429, 300_000) : { kind: 'offline' });
    expect(await poller.poll(creator('x', true), false, never())).toMatchObject({ kind: 'blocked' });
    const blockedPoll = await poller.poll(creator('y', true), false, never());
    expect(blockedPoll).toMatchObject({ kind: 'blocked', errors: [expect.stringContaining('http://***@10.0.0.1:8080')] });
    expect(JSON.stringify(blockedPoll)).not.toContain('geheim');
    expect(await poller.poll(creator('z'), false, never())).toEqual({ kind: 'offline' });
    expect(poller.addresses).toEqual({ used: 2, inCooldown: 1 });
    expect(poller.cooldownUntil).toBeLessThanOrEqual(clock.now());

    tiktok.answer = () => ({ kind: 'offline' });
    await clock.advance(301_000);
    await poller.poll(creator('probe', true), false, never());
    await clock.advance(2_000);
    const polls = Array.from({ length: 8 }, (_, n) => poller.poll(creator(`n${n}`, n % 2 === 0), false, never()));
    await settle();
    expect(tiktok.asked.slice(-4).sort()).toEqual(['n0 by proxy', 'n1', 'n2 by proxy', 'n3']);
    await clock.advance(5_000);
    await Promise.all(polls);
  });

  it('checks rooms in batches of 50, urgent ones first, and each room once', async () => {
    const { clock, tiktok, poller } = pollHarness();
    const answers = Array.from({ length: 120 }, (_, n) => poller.isAlive(creator('a'), `70000000000000${n % 110}`, n >= 100, never()));
    await clock.advance(5_000);
    expect(await Promise.all(answers)).toEqual(Array(120).fill(true));
    expect(tiktok.batches.map(({ length }) => length)).toEqual([50, 50, 10]);
    expect(tiktok.batches[0]).toContain('70000000000000105');
  });

  it('answers undefined where the batch fails, the address is in cooldown, or TikTok leaves the room out', async () => {
    const { clock, tiktok, poller } = pollHarness();
    const ask = async () => {
      const answer = poller.isAlive(creator('a'), '7000000000000001', false, never());
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

  it('removes a room from the batch when its signal aborts', async () => {
    const { clock, tiktok, poller } = pollHarness();
    const gone = new AbortController();
    const answer = poller.isAlive(creator('a'), '7000000000000001', false, gone.signal);
    gone.abort();
    expect(await answer).toBeUndefined();
    await clock.advance(1_000);
    expect(tiktok.batches).toEqual([]);
  });
});
