import { Injectable } from '@nestjs/common';
import { Metrics } from '@tributary/runtime';
import { Counter, Gauge, Histogram } from 'prom-client';
import type { BreakerState } from './breaker.js';
import type { ProviderOperationReport } from './attempt-statistics.js';
import type { FailureReason, Operation, ProviderName } from '../providers/provider.js';

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const STATES: Record<BreakerState, number> = { closed: 0, 'half-open': 1, open: 2 };

/** One series of a counter. */
interface Counted {
  labels: Record<string, string>;
  count: number;
}

/** A counter whose series are read at each scrape. */
function counter(registers: Metrics[], name: string, help: string, labelNames: string[], series: ReadonlyMap<string, Counted>): void {
  new Counter({
    name,
    help,
    labelNames,
    registers,
    collect() {
      this.reset();
      for (const { labels, count } of series.values()) this.inc(labels, count);
    },
  });
}

/** Prometheus figures of the signer. */
@Injectable()
export class SignMetrics {
  private readonly requestSeconds: Histogram;
  private readonly attempts: Counter;
  private readonly attemptSeconds: Histogram;
  private readonly shadows: Counter;
  // Counted here and copied at each scrape: prom-client's own counting costs more than the rest of these two methods.
  private readonly answers = new Map<string, Counted & { seconds: Histogram.Internal<string> }>();
  private readonly origins = new Map<string, Counted>();

  constructor(private readonly registry: Metrics) {
    const registers = [registry];
    counter(registers, 'sign_requests_total', 'Answered requests by route and status.', ['route', 'status'], this.answers);
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
    this.shadows = new Counter({
      name: 'sign_shadow_total',
      help: 'Requests run in the shadow too, by what was served and what the shadow gave.',
      labelNames: ['provider', 'served', 'shadow'],
      registers,
    });
    const help = 'Cached values by kind and origin: memory, redis, shared (an equal request was under way), loaded, stale, failed.';
    counter(registers, 'sign_cache_total', help, ['kind', 'origin'], this.origins);
  }

  answered(route: string, status: number, durationMs: number): void {
    const key = `${status} ${route}`;
    let tally = this.answers.get(key);
    if (!tally) {
      // Routes are templates and statuses few: this stays small.
      tally = { labels: { route, status: String(status) }, count: 0, seconds: this.requestSeconds.labels({ route }) };
      this.answers.set(key, tally);
    }
    tally.count += 1;
    tally.seconds.observe(durationMs / 1000);
  }

  attempted(provider: ProviderName, operation: Operation, outcome: FailureReason | 'ok', durationMs: number): void {
    this.attempts.inc({ provider, operation, outcome });
    this.attemptSeconds.observe({ provider, operation }, durationMs / 1000);
  }

  shadowed(provider: ProviderName, served: FailureReason | 'ok', shadow: FailureReason | 'ok'): void {
    this.shadows.inc({ provider, served, shadow });
  }

  cached(kind: string, origin: string): void {
    const key = `${origin} ${kind}`;
    const tally = this.origins.get(key);
    if (tally) tally.count += 1;
    else this.origins.set(key, { labels: { kind, origin }, count: 1 });
  }

  /** Reads the operations at each scrape. */
  watchOperations(read: () => { provider: ProviderName; operation: Operation; report: ProviderOperationReport }[]): void {
    this.gauge('sign_breaker_state', '0 closed, 1 half-open, 2 open.', () =>
      read().map(({ provider, operation, report }) => [{ provider, operation }, STATES[report.breaker.state]]),
    );
    this.gauge('sign_room_breakers_open', 'Rooms whose breaker is open at a provider.', () =>
      read().map(({ provider, operation, report }) => [{ provider, operation }, report.rooms.resting]),
    );
  }

  /** A gauge whose values are read at each scrape. All values have the same labels. */
  gauge(name: string, help: string, read: () => [labels: Record<string, string>, value: number][]): void {
    const labelNames = [...new Set(read().flatMap(([labels]) => Object.keys(labels)))];
    new Gauge({
      name,
      help,
      labelNames,
      registers: [this.registry],
      collect() {
        for (const [labels, value] of read()) this.set(labels, value);
      },
    });
  }
}
