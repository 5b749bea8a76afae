import { beforeEach, describe, expect, it, jest } from '@jest/globals';
import { type Logger, Metrics } from '@tributary/runtime';
import type { ConnectBundle } from '@tributary/signing';
import { waitFor } from '@tributary/testing';
import { ScriptedUpstream } from '../testing/scripted-upstream.js';
import { ProviderChain } from './provider-chain.js';
import { Semaphore } from '@tributary/runtime';
import { ProviderOperation } from './provider-operation.js';
import { SignMetrics } from './sign-metrics.js';
import type { ConnectRequest, Outcome, ProviderName, SignProvider } from '../providers/provider.js';
import { Shadow } from './shadow.js';

const REQUEST: ConnectRequest = { roomId: '75405893526660', cursor: '', userAgent: 'Mozilla/5.0', cookies: '' };
const never = new AbortController().signal;

type Behaviour = (signal: AbortSignal) => Promise<Outcome<ConnectBundle>> | Outcome<ConnectBundle>;

class Played implements SignProvider {
  calls = 0;
  constructor(
    readonly name: ProviderName,
    public behave: Behaviour,
  ) {}
  connect(_request: ConnectRequest, signal: AbortSignal): Promise<Outcome<ConnectBundle>> {
    this.calls += 1;
    return Promise.resolve(this.behave(signal));
  }
}

const good = (provider: string, changes: Partial<ConnectBundle> = {}): Outcome<ConnectBundle> => ({
  ok: true,
  value: { fetchResult: ScriptedUpstream.bundle('1'), cookies: 'ttwid=1', roomId: '1', userAgent: 'Mozilla/5.0', provider, ...changes },
});
const bad = (reason: Extract<Outcome<never>, { ok: false }>['reason'], retryAfterMs?: number): Outcome<never> => ({
  ok: false,
  reason,
  message: `it was ${reason}`,
  ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
});

describe('ProviderChain', () => {
  let first: Played;
  let second: Played;
  let errors: object[];
  const breaker = { failuresMax: 2, open: { firstMs: 10_000, maxMs: 10_000 } };
  const operationOf = (provider: SignProvider, options: { timeoutMs?: number; concurrency?: number; queueMax?: number } = {}) => {
    const { timeoutMs = 300, concurrency = 100, queueMax = 100 } = options;
    return new ProviderOperation({
      provider,
      operation: 'connect',
      options: { timeoutMs, concurrency },
      semaphore: new Semaphore({ concurrency, queueMax }),
      breaker,
      roomBreaker: { ...breaker, roomsMax: 100 },
      metrics: new SignMetrics(new Metrics('test')),
      logger: { error: (fields: object) => void errors.push(fields) } as unknown as Logger,
    });
  };
  const chainOf = (options: { budgetMs?: number; timeoutMs?: number; concurrency?: number; queueMax?: number; shadow?: Shadow } = {}) =>
    new ProviderChain({
      operations: [operationOf(first, options), operationOf(second, options)],
      budgetMs: options.budgetMs ?? 1_000,
      userAgent: 'Mozilla/5.0',
      shadow: options.shadow,
    });
  let rooms: number;
  /** A request for a room that was not asked for before. */
  const otherRoom = () => ({ ...REQUEST, roomId: String(75_405_893_526_660 + ++rooms) });

  beforeEach(() => {
    errors = [];
    rooms = 0;
    first = new Played('simulator', () => good('simulator'));
    second = new Played('anonymous', () => good('anonymous'));
  });

  it('asks the first provider alone while it works', async () => {
    const { value, attempts } = await chainOf().connect(REQUEST, never);
    expect([value?.provider, attempts.length, second.calls]).toEqual(['simulator', 1, 0]);
  });

  it.each([
    ['an empty 200', () => good('simulator', { fetchResult: new Uint8Array() }), 'empty-body'],
    ['an empty cursor', () => good('simulator', { fetchResult: ScriptedUpstream.bundle('1', '') }), 'empty-cursor'],
    ['a missing cookie', () => good('simulator', { cookies: '' }), 'missing-cookie'],
    ['a captcha page', () => good('simulator', { fetchResult: Buffer.from('<html>') }), 'bad-answer'],
    ['a 403', () => bad('http-403'), 'http-403'],
    ['a bug', () => Promise.reject(new Error('broken')), 'crash'],
    ['a hang', () => new Promise<never>(() => undefined), 'timeout'],
  ] as [string, Behaviour, string][])('answers from the second provider after %s of the first', async (_what, behave, reason) => {
    first.behave = behave;
    const chain = chainOf({ timeoutMs: 60 });
    const { value, attempts } = await chain.connect(REQUEST, never);
    expect(value?.provider).toBe('anonymous');
    expect(attempts.map((attempt) => attempt.reason)).toEqual([reason, 'ok']);
    expect(chain.report()[0]?.operations.connect).toMatchObject({ attempts: 1, successes: 0, failures: { [reason]: 1 } });
    expect(errors.length).toBe(reason === 'crash' ? 1 : 0);
  });

  it('skips a provider whose breaker is open, says why, and comes back to it after a reset', async () => {
    first.behave = () => bad('empty-body');
    const chain = chainOf();
    await chain.connect(otherRoom(), never);
    await chain.connect(otherRoom(), never);
    const { attempts } = await chain.connect(otherRoom(), never);
    expect(attempts[0]).toMatchObject({ provider: 'simulator', reason: 'empty-body', skipped: true });
    expect(first.calls).toBe(2);
    expect(chain.report()[0]?.operations.connect?.breaker).toMatchObject({ state: 'open', reason: 'empty-body' });
    first.behave = () => good('simulator');
    expect(chain.reset('simulator')).toBe(true);
    expect((await chain.connect(REQUEST, never)).value?.provider).toBe('simulator');
    expect(chain.reset('nobody')).toBe(false);
  });

  it('leaves one room alone that keeps failing, and goes on serving all others by the same provider', async () => {
    const badRoom = otherRoom();
    first.connect = ({ roomId }) => {
      first.calls += 1;
      return Promise.resolve(roomId === badRoom.roomId ? bad('empty-body') : good('simulator'));
    };
    const chain = chainOf();
    for (let i = 0; i < 6; i++) {
      await chain.connect(badRoom, never);
      expect((await chain.connect(otherRoom(), never)).value?.provider).toBe('simulator');
    }
    // Two calls about the bad room; after that it is left alone.
    expect(first.calls).toBe(2 + 6);
    expect(chain.report()[0]?.operations.connect).toMatchObject({ breaker: { state: 'closed' }, rooms: { failing: 1, resting: 1 } });
    const { attempts } = await chain.connect(badRoom, never);
    expect(attempts[0]?.message).toMatch(/leaving this room alone/);
  });

  it('holds what is plainly not about a room against the provider alone', async () => {
    first.behave = () => bad('http-5xx');
    const chain = chainOf();
    await chain.connect(REQUEST, never);
    await chain.connect(REQUEST, never);
    expect(chain.report()[0]?.operations.connect).toMatchObject({ breaker: { state: 'open' }, rooms: { failing: 0 } });
  });

  it('probes a resting provider with one request, which decides for all', async () => {
    jest.useFakeTimers({ doNotFake: ['performance', 'setImmediate', 'nextTick', 'queueMicrotask'] });
    try {
      first.behave = () => bad('http-5xx');
      const chain = chainOf();
      for (let i = 0; i < 2; i++) await chain.connect(REQUEST, never);
      jest.setSystemTime(Date.now() + 10_001);
      expect(chain.report()[0]?.operations.connect?.breaker.state).toBe('half-open');
      let answer: (outcome: Outcome<ConnectBundle>) => void = () => undefined;
      first.behave = () => new Promise((resolve) => (answer = resolve));
      const probe = chain.connect(REQUEST, never);
      expect((await chain.connect(REQUEST, never)).value?.provider).toBe('anonymous');
      answer(good('simulator'));
      expect((await probe).value?.provider).toBe('simulator');
      expect(chain.report()[0]?.operations.connect?.breaker.state).toBe('closed');
    } finally {
      jest.useRealTimers();
    }
  });

  it('sends what a provider has no place for on to the next, and holds it against nobody', async () => {
    first.behave = (signal) => new Promise((resolve) => signal.addEventListener('abort', () => resolve(bad('timeout'))));
    const chain = chainOf({ concurrency: 1, queueMax: 0, timeoutMs: 100 });
    const [waiting, passedOn] = await Promise.all([chain.connect(otherRoom(), never), chain.connect(otherRoom(), never)]);
    expect(waiting.attempts[0]?.reason).toBe('timeout');
    expect(passedOn.attempts.map(({ reason }) => reason)).toEqual(['busy', 'ok']);
    expect(chain.report()[0]?.operations.connect).toMatchObject({ breaker: { state: 'closed' }, failures: { timeout: 1, busy: 1 } });
  });

  it('leaves a provider alone for as long as its Retry-After says', async () => {
    first.behave = () => bad('http-429', 5_000);
    const chain = chainOf();
    await chain.connect(REQUEST, never);
    const { attempts } = await chain.connect(REQUEST, never);
    expect(first.calls).toBe(1);
    expect(attempts[0]).toMatchObject({ reason: 'http-429', skipped: true });
    expect(attempts[0]?.retryAfterMs).toBeGreaterThan(4_000);
  });

  it('takes an offline creator for an answer: no second opinion, nothing against the provider', async () => {
    first.behave = () => bad('offline');
    const chain = chainOf();
    for (let i = 0; i < 5; i++) expect((await chain.connect(REQUEST, never)).attempts.map(({ reason }) => reason)).toEqual(['offline']);
    expect(second.calls).toBe(0);
    expect(chain.report()[0]?.operations.connect?.breaker.state).toBe('closed');
  });

  it('ends within its budget whatever the providers do', async () => {
    first.behave = second.behave = () => new Promise<never>(() => undefined);
    const startedAt = performance.now();
    const { value, attempts } = await chainOf({ budgetMs: 200, timeoutMs: 120 }).connect(REQUEST, never);
    expect(value).toBeUndefined();
    expect(attempts.map(({ reason }) => reason)).toEqual(['timeout', 'timeout']);
    expect(performance.now() - startedAt).toBeLessThan(5_000);
  });

  it('holds nothing against a provider when the client hangs up', async () => {
    const controller = new AbortController();
    first.behave = (signal) => new Promise((resolve) => signal.addEventListener('abort', () => resolve(bad('timeout'))));
    const chain = chainOf();
    const pending = chain.connect(REQUEST, controller.signal);
    controller.abort();
    await pending;
    expect(chain.report()[0]?.operations.connect).toMatchObject({ attempts: 0, breaker: { state: 'closed' } });
    expect(second.calls).toBe(0);
  });

  it('says so when every provider rests', async () => {
    first.behave = second.behave = () => bad('http-403');
    const chain = chainOf();
    expect(chain.blockage()).toBeUndefined();
    await chain.connect(otherRoom(), never);
    await chain.connect(otherRoom(), never);
    expect(chain.blockage()).toMatch(/simulator \(http-403\), anonymous \(http-403\)/);
  });

  it('has no attempts for an operation that no provider knows', async () => {
    const url = new URL('https://webcast.tiktok.com/');
    expect(await chainOf().sign({ url, method: 'GET', userAgent: '', cookies: '' }, never)).toEqual({ attempts: [] });
  });

  describe('with a shadow', () => {
    const shadowOf = (share: number, draw: number) =>
      new Shadow({
        candidate: operationOf(second),
        share,
        runningMax: 2,
        userAgent: 'Mozilla/5.0',
        metrics: new SignMetrics(new Metrics('test')),
        random: () => draw,
      });
    it('compares what the shadow gives with what is served, and serves only the latter', async () => {
      const shadow = shadowOf(1, 0.5);
      const chain = new ProviderChain({ operations: [operationOf(first)], budgetMs: 1_000, userAgent: 'Mozilla/5.0', shadow });
      expect((await chain.connect(otherRoom(), never)).value?.provider).toBe('simulator');
      second.behave = () => bad('empty-body');
      expect((await chain.connect(otherRoom(), never)).value?.provider).toBe('simulator');
      first.behave = () => bad('http-5xx');
      second.behave = () => good('anonymous');
      expect((await chain.connect(otherRoom(), never)).value).toBeUndefined();
      second.behave = () => bad('empty-body');
      expect((await chain.connect(otherRoom(), never)).value).toBeUndefined();
      await waitFor(() => chain.shadowReport()?.compared.neither === 1);
      expect(chain.shadowReport()).toMatchObject({
        provider: 'anonymous',
        compared: { both: 1, onlyServed: 1, onlyShadow: 1, neither: 1 },
        shadow: { failures: { 'empty-body': 2 }, recent: { attempts: 4 } },
      });
    });

    it('runs for its share only, never with cookies of a client, and never holds a request up', async () => {
      second.behave = () => new Promise<never>(() => undefined);
      const unlucky = new ProviderChain({ operations: [operationOf(first)], budgetMs: 1_000, userAgent: '', shadow: shadowOf(0.1, 0.2) });
      await unlucky.connect(REQUEST, never);
      expect(second.calls).toBe(0);
      const chain = new ProviderChain({ operations: [operationOf(first)], budgetMs: 1_000, userAgent: '', shadow: shadowOf(1, 0.2) });
      await chain.connect({ ...REQUEST, cookies: 'sessionid=theirs' }, never);
      expect(second.calls).toBe(0);
      const startedAt = performance.now();
      for (let i = 0; i < 5; i++) await chain.connect(otherRoom(), never);
      expect(performance.now() - startedAt).toBeLessThan(200);
      expect(second.calls).toBe(2);
      expect(chain.shadowReport()?.leftOut).toBe(3);
      await chain.close();
    });
  });
});
