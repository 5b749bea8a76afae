import type { Metrics } from '@tributary/runtime';
import { Counter, Gauge, Histogram } from 'prom-client';
import type { BreakerState } from './breaker.js';
import type { LaneReport } from './lane.js';
import type { FailureReason, Operation, ProviderName } from './provider.js';

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const STATES: Record<BreakerState, number> = { closed: 0, 'half-open': 1, open: 2 };

/** Prometheus figures of the signer. */
export class SignMetrics {
  private readonly requests: Counter;
  private readonly requestSeconds: Histogram;
  private readonly attempts: Counter;
  private readonly attemptSeconds: Histogram;
  private readonly shadows: Counter;
  private readonly caches: Counter;
  private readonly answers = new Map<string, { count: Counter.Internal; seconds: Histogram.Internal<string> }>();
  private readonly origins = new Map<string, Counter.Internal>();

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
    this.shadows = new Counter({
      name: 'sign_shadow_total',
      help: 'Requests run in the shadow too, by what was served and what the shadow gave.',
      labelNames: ['provider', 'served', 'shadow'],
      registers,
    });
    this.caches = new Counter({
      name: 'sign_cache_total',
      help: 'Cached values by kind and origin: memory, redis, shared (an equal request was under way), loaded, stale, failed.',
      labelNames: ['kind', 'origin'],
      registers,
    });
  }

  answered(route: string, status: number, durationMs: number): void {
    const key = `${status} ${route}`;
    let child = this.answers.get(key);
    if (!child) {
      // Routes are templates and statuses few: this stays small.
      child = { count: this.requests.labels({ route, status }), seconds: this.requestSeconds.labels({ route }) };
      this.answers.set(key, child);
    }
    child.count.inc();
    child.seconds.observe(durationMs / 1000);
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
    let child = this.origins.get(key);
    if (!child) {
      child = this.caches.labels({ kind, origin });
      this.origins.set(key, child);
    }
    child.inc();
  }

  /** Reads the lanes at each scrape. */
  watchLanes(read: () => { provider: ProviderName; operation: Operation; report: LaneReport }[]): void {
    this.gauge('sign_breaker_state', '0 closed, 1 half-open, 2 open.', () =>
      read().map(({ provider, operation, report }) => [{ provider, operation }, STATES[report.breaker.state]]),
    );
    this.gauge('sign_rooms_resting', 'Rooms that a provider leaves alone after failures.', () =>
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
