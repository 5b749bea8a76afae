import type { Metrics } from '@tributary/runtime';
import { Counter, Gauge, Histogram } from 'prom-client';
import type { BreakerState } from './breaker.js';
import type { FailureReason, Operation, ProviderName } from './provider.js';

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const STATES: Record<BreakerState, number> = { closed: 0, 'half-open': 1, open: 2 };

/** Prometheus figures of the signer. */
export class SignMetrics {
  private readonly requests: Counter;
  private readonly requestSeconds: Histogram;
  private readonly attempts: Counter;
  private readonly attemptSeconds: Histogram;

  constructor(private readonly registry: Metrics) {
    const registers = [registry];
    this.requests = new Counter({
      name: 'sign_requests_total',
      help: 'Answered requests by route and status.',
      labelNames: ['route', 'status'],
      registers,
    });
    this.requestSeconds = new Histogram({
      name: 'sign_request_seconds',
      help: 'Time to answer by route.',
      labelNames: ['route'],
      buckets: SECONDS,
      registers,
    });
    this.attempts = new Counter({
      name: 'sign_provider_attempts_total',
      help: 'Attempts by provider, operation and outcome.',
      labelNames: ['provider', 'operation', 'outcome'],
      registers,
    });
    this.attemptSeconds = new Histogram({
      name: 'sign_provider_seconds',
      help: 'Time of attempts by provider and operation.',
      labelNames: ['provider', 'operation'],
      buckets: SECONDS,
      registers,
    });
  }

  answered(route: string, status: number, durationMs: number): void {
    this.requests.inc({ route, status });
    this.requestSeconds.observe({ route }, durationMs / 1000);
  }

  attempted(provider: ProviderName, operation: Operation, outcome: FailureReason | 'ok', durationMs: number): void {
    this.attempts.inc({ provider, operation, outcome });
    this.attemptSeconds.observe({ provider, operation }, durationMs / 1000);
  }

  /** Reads the breakers at each scrape. */
  watchBreakers(read: () => [ProviderName, Operation, BreakerState][]): void {
    new Gauge({
      name: 'sign_breaker_state',
      help: '0 closed, 1 half-open, 2 open.',
      labelNames: ['provider', 'operation'],
      registers: [this.registry],
      collect() {
        for (const [provider, operation, state] of read()) this.set({ provider, operation }, STATES[state]);
      },
    });
  }
}
