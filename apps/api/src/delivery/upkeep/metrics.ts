import { Injectable } from '@nestjs/common';
import { Metrics } from '@tributary/runtime';
import { Counter, Gauge, Histogram } from 'prom-client';
import type { Outcome } from '../../outbound/outcome.js';
import type { EndpointState } from '../endpoint/endpoint.js';
import type { Result } from '../pipeline/recorder.js';

/** Endpoints whose lag is shown one by one: the ones furthest behind. */
const ENDPOINTS_SHOWN_MAX = 500;

/** What metrics show of the delivery engine. */
export interface MeasuredEngine {
  /** Endpoints that this process serves. */
  readonly count: number;
  readonly sends: { readonly inUse: number; readonly waiting: number };
  /** Results of attempts that are not written down yet. */
  readonly unrecorded: number;
  /** Endpoints of the whole system by state. */
  readonly states: Readonly<Record<EndpointState, number>>;
  /** Newest position of the log. */
  readonly head: number;
  readonly pipelines: Iterable<{ readonly id: string; readonly lag: { position: number; since: number | undefined } }>;
}

/** Metrics of webhook delivery. */
@Injectable()
export class DeliveryMetrics {
  private readonly attempts: (outcome: string) => void;
  private readonly deliveries: (state: string) => void;
  private readonly events: Counter;
  private readonly latency: Histogram;
  private readonly late: Histogram;
  private engine: MeasuredEngine | undefined;

  constructor(registry: Metrics) {
    const registers = [registry];
    const attempts = 'Attempts by outcome: ok, or the category of the failure';
    this.attempts = tally('tributary_webhook_attempts_total', attempts, 'outcome', registers);
    this.deliveries = tally('tributary_webhook_deliveries_total', 'Deliveries that ended', 'state', registers);
    this.events = new Counter({ name: 'tributary_webhook_events_total', help: 'Events delivered', registers });
    this.latency = new Histogram({
      name: 'tributary_webhook_attempt_seconds',
      help: 'Time of one attempt',
      buckets: [0.005, 0.02, 0.1, 0.5, 1, 2, 5, 15, 30],
      registers,
    });
    this.late = new Histogram({
      name: 'tributary_webhook_delay_seconds',
      help: 'From the arrival of an event to its delivery',
      buckets: [0.01, 0.05, 0.1, 0.5, 1, 5, 30, 300, 3600],
      registers,
    });
    const gauge = (name: string, help: string, read: (engine: MeasuredEngine) => number) => {
      const made: Gauge = new Gauge({ name, help, registers, collect: () => made.set(this.engine ? read(this.engine) : 0) });
    };
    gauge('tributary_webhook_endpoints_held', 'Endpoints run by this process', ({ count }) => count);
    gauge('tributary_webhook_sending', 'Requests on the wire', ({ sends }) => sends.inUse);
    gauge('tributary_webhook_endpoints_waiting', 'Endpoints waiting for a free place', ({ sends }) => sends.waiting);
    gauge('tributary_webhook_unwritten_results', 'Results of attempts not written down yet', ({ unrecorded }) => unrecorded);
    const states: Gauge<'state'> = new Gauge({
      name: 'tributary_webhook_endpoints',
      help: 'Endpoints of the whole system by state; alert on disabled ones',
      labelNames: ['state'],
      registers,
      collect: () => {
        for (const [state, count] of Object.entries(this.engine?.states ?? {})) states.set({ state }, count);
      },
    });
    this.lagGauges(registers);
  }

  /** The engine whose state is shown. */
  watch(engine: MeasuredEngine): void {
    this.engine = engine;
  }

  attempted({ outcome, state, events, lateMs }: { outcome: Outcome; state: Result['state']; events: number; lateMs: number }): void {
    this.attempts(outcome.category ?? 'ok');
    this.latency.observe(outcome.latencyMs / 1_000);
    if (state === 'open') return;
    this.deliveries(state);
    if (state !== 'delivered') return;
    this.events.inc(events);
    this.late.observe(lateMs / 1_000);
  }

  private lagGauges(registers: Metrics[]): void {
    const positions: Gauge<'endpoint'> = new Gauge({
      name: 'tributary_webhook_lag_positions',
      help: `Events of the log that an endpoint has not come to, matching or not; the ${ENDPOINTS_SHOWN_MAX} furthest behind`,
      labelNames: ['endpoint'],
      registers,
      collect: () => this.collectLag(positions, seconds),
    });
    const seconds: Gauge<'endpoint'> = new Gauge({
      name: 'tributary_webhook_lag_seconds',
      help: 'Age of the oldest event that an endpoint has not got',
      labelNames: ['endpoint'],
      registers,
    });
  }

  private collectLag(positions: Gauge<'endpoint'>, seconds: Gauge<'endpoint'>): void {
    positions.reset();
    seconds.reset();
    if (!this.engine) return;
    const now = Date.now();
    const head = this.engine.head;
    const lags = [...this.engine.pipelines].map(({ id, lag }) => ({ endpoint: id, ...lag }));
    lags.sort((a, b) => a.position - b.position);
    for (const { endpoint, position, since } of lags.slice(0, ENDPOINTS_SHOWN_MAX)) {
      positions.set({ endpoint }, Math.max(0, head - position));
      seconds.set({ endpoint }, since === undefined ? 0 : Math.max(0, now - since) / 1_000);
    }
  }
}

/** A counter by one label whose sums are made when it is read: each delivery counts, and labels cost more than a sum. */
function tally(name: string, help: string, label: string, registers: Metrics[]): (value: string) => void {
  const sums = new Map<string, number>();
  const counter: Counter = new Counter({
    name,
    help,
    labelNames: [label],
    registers,
    collect: () => {
      counter.reset();
      for (const [value, sum] of sums) counter.inc({ [label]: value }, sum);
    },
  });
  return (value) => sums.set(value, (sums.get(value) ?? 0) + 1);
}
