import { beforeEach, describe, expect, it } from '@jest/globals';
import { type Logger, Metrics } from '@tributary/runtime';
import type { ConnectBundle } from '@tributary/signing';
import { ScriptedUpstream } from '../testing/scripted-upstream.js';
import { ProviderChain } from './chain.js';
import { SignMetrics } from './metrics.js';
import type { ConnectRequest, Outcome, ProviderName, SignProvider } from './provider.js';

const REQUEST: ConnectRequest = { roomId: '75405893526660', cursor: '', userAgent: 'Mozilla/5.0', cookies: '' };
const never = new AbortController().signal;

type Behaviour = (signal: AbortSignal) => Promise<Outcome<ConnectBundle>> | Outcome<ConnectBundle>;

class Played implements SignProvider {
  calls = 0;
  constructor(
    readonly name: ProviderName,
    public behave: Behaviour,
  ) {}
  async connect(_request: ConnectRequest, signal: AbortSignal): Promise<Outcome<ConnectBundle>> {
    this.calls += 1;
    return this.behave(signal);
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
  let metrics: Metrics;
  const chainOf = (options: { budgetMs?: number; timeoutMs?: number } = {}) =>
    new ProviderChain({
      providers: [first, second],
      budgetMs: 1_000,
      timeoutMs: 300,
      breaker: { failuresMax: 2, open: { firstMs: 10_000, maxMs: 10_000 } },
      metrics: new SignMetrics(metrics),
      logger: { error: (fields: object) => void errors.push(fields) } as unknown as Logger,
      ...options,
    });

  beforeEach(() => {
    errors = [];
    metrics = new Metrics('test');
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
    await chain.connect(REQUEST, never);
    await chain.connect(REQUEST, never);
    const { attempts } = await chain.connect(REQUEST, never);
    expect(attempts[0]).toMatchObject({ provider: 'simulator', reason: 'empty-body', skipped: true });
    expect(first.calls).toBe(2);
    expect(await metrics.metrics()).toMatch(/sign_breaker_state\{provider="simulator",operation="connect",process="test"\} 2/);
    first.behave = () => good('simulator');
    expect(chain.reset('simulator')).toBe(true);
    expect((await chain.connect(REQUEST, never)).value?.provider).toBe('simulator');
    expect(chain.reset('nobody')).toBe(false);
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
    expect(performance.now() - startedAt).toBeLessThan(400);
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
    await chain.connect(REQUEST, never);
    await chain.connect(REQUEST, never);
    expect(chain.blockage()).toMatch(/simulator \(http-403\), anonymous \(http-403\)/);
  });

  it('has no attempts for an operation that no provider knows', async () => {
    const url = new URL('https://webcast.tiktok.com/');
    expect(await chainOf().sign({ url, method: 'GET', userAgent: '', cookies: '' }, never)).toEqual({ attempts: [] });
  });
});
