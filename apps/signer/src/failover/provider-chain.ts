import type { ConnectBundle, SignedUrl } from '@tributary/signing';
import type { Attempt, ProviderOperation } from './provider-operation.js';
import type { ProviderOperationReport } from './attempt-statistics.js';
import {
  type Asked,
  connectBy,
  type ConnectRequest,
  type Operation,
  type Outcome,
  type ProviderName,
  type SignProvider,
  type SignRequest,
} from '../providers/provider.js';
import type { Shadow, ShadowReport } from './shadow.js';

export type { Attempt } from './provider-operation.js';

export interface ChainOptions {
  /** In the order in which they are tried; a provider has one for each operation that it supports. */
  operations: ProviderOperation[];
  /** Time for one request over all providers. */
  budgetMs: number;
  /** User agent of requests that name none, for providers that have none of their own. */
  userAgent: string;
  shadow?: Shadow;
}

/** `value` is missing when no provider gave one; `attempts` has the reasons. Empty attempts: no provider supports the operation. */
export interface ChainResult<T> {
  value?: T;
  attempts: Attempt[];
}

export interface ProviderReport {
  name: ProviderName;
  /** Place in the order of trying, from 1. */
  order: number;
  operations: Partial<Record<Operation, ProviderOperationReport>>;
}

/** Less time than this is not worth a request to a provider. */
const ATTEMPT_MS_MIN = 50;

/** Tries providers in order until one gives what was asked for, within one budget of time. */
export class ProviderChain {
  constructor(private readonly options: ChainOptions) {}

  /** A bundle that a client can connect with, or why there is none. `spentMs` of the budget is used already. */
  async connect(asked: Asked<ConnectRequest>, signal: AbortSignal, spentMs = 0): Promise<ChainResult<ConnectBundle>> {
    const tellShadow = this.options.shadow?.begin(asked);
    const startedAt = performance.now();
    const result = await this.run('connect', asked, asked.roomId, signal, this.options.budgetMs - spentMs, connectBy);
    const last = result.attempts.at(-1);
    tellShadow?.(last && !signal.aborted ? { ...last, durationMs: Math.round(performance.now() - startedAt) } : undefined);
    return result;
  }

  /** A signed URL, or why there is none. */
  sign(asked: Asked<SignRequest>, signal: AbortSignal): Promise<ChainResult<SignedUrl>> {
    return this.run('sign', asked, undefined, signal, this.options.budgetMs, (provider, request, attemptSignal) => {
      if (!provider.sign) throw new Error(`provider ${provider.name} has a candidate for signing and does not sign`);
      return provider.sign(request, attemptSignal);
    });
  }

  report(): ProviderReport[] {
    const names = [...new Set(this.options.operations.map(({ provider }) => provider.name))];
    return names.map((name, index) => ({
      name,
      order: index + 1,
      operations: Object.fromEntries(this.operationsOf(name).map((candidate) => [candidate.operation, candidate.report()])),
    }));
  }

  shadowReport(): ShadowReport | undefined {
    return this.options.shadow?.report();
  }

  /** Closes the breakers of a provider. False when there is none of this name. */
  reset(name: string): boolean {
    const operations = this.operationsOf(name);
    for (const candidate of operations) candidate.reset();
    return operations.length > 0;
  }

  /** One sentence when no provider may be asked for a bundle right now. */
  blockage(): string | undefined {
    const operations = this.options.operations.filter(({ operation }) => operation === 'connect');
    if (operations.some(({ breaker }) => breaker.state !== 'open')) return undefined;
    return `every provider is resting after failures: ${operations.map(({ provider, breaker }) => `${provider.name} (${breaker.lastReason})`).join(', ')}`;
  }

  /** Stops the shadow and closes what the providers hold open. */
  async close(): Promise<void> {
    await this.options.shadow?.close();
    await Promise.all([...new Set(this.options.operations.map(({ provider }) => provider))].map(async (provider) => provider.close?.()));
  }

  private operationsOf(name: string): ProviderOperation[] {
    return this.options.operations.filter(({ provider }) => provider.name === name);
  }

  private async run<R extends { userAgent: string }, T>(
    operation: Operation,
    asked: Asked<R>,
    room: string | undefined,
    signal: AbortSignal,
    budgetMs: number,
    call: (provider: SignProvider, request: R, signal: AbortSignal) => Promise<Outcome<T>>,
  ): Promise<ChainResult<T>> {
    const endsAt = performance.now() + budgetMs;
    const attempts: Attempt[] = [];
    for (const candidate of this.options.operations) {
      if (candidate.operation !== operation) continue;
      const leftMs = endsAt - performance.now();
      if (signal.aborted || leftMs < ATTEMPT_MS_MIN) break;
      const { options, provider } = candidate;
      const request = { ...asked, userAgent: asked.userAgent ?? options.userAgent ?? this.options.userAgent } as R;
      const timeoutMs = Math.min(leftMs, options.timeoutMs);
      const { attempt, value } = await candidate.attempt(room, timeoutMs, signal, (attemptSignal) =>
        call(provider, request, attemptSignal),
      );
      attempts.push(attempt);
      if (value !== undefined) return { value, attempts };
      // An offline creator is the answer: no other provider could find them live.
      if (attempt.reason === 'offline') break;
    }
    return { attempts };
  }
}
