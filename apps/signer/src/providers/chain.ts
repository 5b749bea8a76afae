import type { ConnectBundle, SignedUrl } from '@tributary/signing';
import type { Logger } from '@tributary/runtime';
import { Breaker, type BreakerOptions, type BreakerState } from './breaker.js';
import type { SignMetrics } from './metrics.js';
import {
  type ConnectRequest,
  type FailureReason,
  isProviderFault,
  judgeBundle,
  type Operation,
  type Outcome,
  type ProviderName,
  type SignProvider,
  type SignRequest,
} from './provider.js';
import { Tally, type TallyReport } from './tally.js';

export interface ChainOptions {
  /** In the order they are tried. */
  providers: SignProvider[];
  /** Time for one request over all providers. */
  budgetMs: number;
  /** Time for one provider within it. */
  timeoutMs: number;
  breaker: Omit<BreakerOptions, 'now'>;
  metrics: SignMetrics;
  logger: Logger;
}

/** One provider's part in a request. `skipped`: its breaker was open, and `reason` is what opened it. */
export interface Attempt {
  provider: ProviderName;
  reason: FailureReason | 'ok';
  durationMs: number;
  message: string;
  skipped: boolean;
  retryAfterMs?: number;
}

/** `value` is missing where no provider gave one; `attempts` then says why. Empty attempts: no provider does this at all. */
export interface ChainResult<T> {
  value?: T;
  attempts: Attempt[];
}

export interface ProviderReport {
  name: ProviderName;
  /** Place in the order of trying, from 1. */
  order: number;
  operations: Partial<Record<Operation, OperationReport>>;
}

export interface OperationReport extends TallyReport {
  breaker: { state: BreakerState; openForMs: number; reason: FailureReason | null };
}

/** Less time than this is not worth a request to a provider. */
const ATTEMPT_MS_MIN = 50;

class Lane {
  readonly breaker: Breaker;
  readonly tally = new Tally();

  constructor(
    readonly provider: SignProvider,
    readonly operation: Operation,
    options: Omit<BreakerOptions, 'now'>,
  ) {
    this.breaker = new Breaker(options);
  }
}

/** Tries providers in order until one gives what was asked for, within one budget of time. */
export class ProviderChain {
  private readonly lanes: Lane[];

  constructor(private readonly options: ChainOptions) {
    this.lanes = options.providers.flatMap((provider) => [
      new Lane(provider, 'connect', options.breaker),
      ...(provider.sign ? [new Lane(provider, 'sign', options.breaker)] : []),
    ]);
    options.metrics.watchBreakers(() => this.lanes.map(({ provider, operation, breaker }) => [provider.name, operation, breaker.state]));
  }

  /** A bundle that a client can connect with, or why there is none. `spentMs` of the budget is gone already. */
  connect(request: ConnectRequest, signal: AbortSignal, spentMs = 0): Promise<ChainResult<ConnectBundle>> {
    return this.run('connect', signal, this.options.budgetMs - spentMs, async (provider, attemptSignal) => {
      const outcome = await provider.connect(request, attemptSignal);
      return outcome.ok ? judgeBundle(outcome.value) : outcome;
    });
  }

  /** A signed URL, or why there is none. */
  sign(request: SignRequest, signal: AbortSignal): Promise<ChainResult<SignedUrl>> {
    return this.run('sign', signal, this.options.budgetMs, (provider, attemptSignal) => {
      if (!provider.sign) throw new Error(`provider ${provider.name} has a lane for signing and does not sign`);
      return provider.sign(request, attemptSignal);
    });
  }

  report(): ProviderReport[] {
    return this.options.providers.map(({ name }, index) => ({
      name,
      order: index + 1,
      operations: Object.fromEntries(
        this.lanes.filter((lane) => lane.provider.name === name).map((lane) => [lane.operation, reportOf(lane)]),
      ),
    }));
  }

  /** Closes the breakers of a provider. False when there is none of this name. */
  reset(name: string): boolean {
    const lanes = this.lanes.filter((lane) => lane.provider.name === name);
    for (const lane of lanes) lane.breaker.reset();
    return lanes.length > 0;
  }

  /** One sentence when no provider may be asked for a bundle right now. */
  blockage(): string | undefined {
    const lanes = this.lanes.filter(({ operation }) => operation === 'connect');
    if (lanes.some(({ breaker }) => breaker.state !== 'open')) return undefined;
    return `every provider is resting after failures: ${lanes.map(({ provider, breaker }) => `${provider.name} (${breaker.lastReason})`).join(', ')}`;
  }

  private async run<T>(
    operation: Operation,
    signal: AbortSignal,
    budgetMs: number,
    call: (provider: SignProvider, signal: AbortSignal) => Promise<Outcome<T>>,
  ): Promise<ChainResult<T>> {
    const endsAt = performance.now() + budgetMs;
    const attempts: Attempt[] = [];
    for (const lane of this.lanes) {
      if (lane.operation !== operation) continue;
      const leftMs = endsAt - performance.now();
      if (signal.aborted || leftMs < ATTEMPT_MS_MIN) break;
      const { attempt, value } = await this.attempt(lane, signal, Math.min(leftMs, this.options.timeoutMs), call);
      attempts.push(attempt);
      if (value !== undefined) return { value, attempts };
      // An offline creator is the answer: no other provider could find them live.
      if (attempt.reason === 'offline') break;
    }
    return { attempts };
  }

  private async attempt<T>(
    lane: Lane,
    signal: AbortSignal,
    timeoutMs: number,
    call: (provider: SignProvider, signal: AbortSignal) => Promise<Outcome<T>>,
  ): Promise<{ attempt: Attempt; value?: T }> {
    const { provider, operation, breaker, tally } = lane;
    const permit = breaker.acquire();
    if (!permit) {
      const reason = breaker.lastReason ?? 'connect';
      const retryAfterMs = breaker.openForMs;
      const message = `${provider.name} is resting after failures (${reason})`;
      return { attempt: { provider: provider.name, reason, durationMs: 0, message, skipped: true, retryAfterMs } };
    }
    const startedAt = performance.now();
    const outcome = await this.guarded(provider, timeoutMs, signal, call);
    const durationMs = Math.round(performance.now() - startedAt);
    const reason = outcome.ok ? 'ok' : outcome.reason;
    const message = outcome.ok ? '' : outcome.message;
    const attempt: Attempt = { provider: provider.name, reason, durationMs, message, skipped: false };
    if (signal.aborted && !outcome.ok) {
      permit.abandoned();
      return { attempt };
    }
    tally.add({ at: Date.now(), durationMs, reason }, message);
    this.options.metrics.attempted(provider.name, operation, reason, durationMs);
    if (outcome.ok) {
      permit.succeeded();
      return { attempt, value: outcome.value };
    }
    if (isProviderFault(outcome.reason)) permit.failed(outcome.reason, outcome.retryAfterMs);
    else permit.abandoned();
    return { attempt: outcome.retryAfterMs === undefined ? attempt : { ...attempt, retryAfterMs: outcome.retryAfterMs } };
  }

  /** Runs one call against the clock. A provider that ignores its signal is left behind; one that throws has a bug. */
  private async guarded<T>(
    provider: SignProvider,
    timeoutMs: number,
    signal: AbortSignal,
    call: (provider: SignProvider, signal: AbortSignal) => Promise<Outcome<T>>,
  ): Promise<Outcome<T>> {
    const late = new AbortController();
    const timedOut: Outcome<T> = { ok: false, reason: 'timeout', message: `no answer within ${Math.round(timeoutMs)} ms` };
    let expire: () => void = () => undefined;
    const expiry = new Promise<Outcome<T>>((resolve) => {
      expire = () => {
        late.abort();
        resolve(timedOut);
      };
    });
    const timer = setTimeout(expire, timeoutMs);
    signal.addEventListener('abort', expire, { once: true });
    try {
      return await Promise.race([call(provider, late.signal), expiry]);
    } catch (error) {
      this.options.logger.error({ err: error, provider: provider.name }, 'a provider threw; this is a bug');
      return { ok: false, reason: 'crash', message: 'the provider failed unexpectedly' };
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', expire);
    }
  }
}

function reportOf({ breaker, tally }: Lane): OperationReport {
  return { breaker: { state: breaker.state, openForMs: breaker.openForMs, reason: breaker.lastReason ?? null }, ...tally.report() };
}
