import { CREATOR_STATES, type LeaseManager } from '@tributary/creators';
import { GAP_REASONS, type GapReason } from '@tributary/events';
import type { InboxProducer } from '@tributary/log';
import type { Metrics } from '@tributary/runtime';
import { Counter, Gauge, Histogram } from 'prom-client';
import type { PollDesk } from './poll-desk.js';
import type { ConnectionEnd } from './room-connection.js';
import type { SignDesk } from './sign-desk.js';
import type { Supervisor } from './supervisor.js';

/** What happens is counted as it happens; what is, is read when somebody asks. */
export class IngestMetrics {
  private readonly gaps: Counter<'reason'>;
  private readonly reconnects: Counter;
  private readonly ends: Counter<'reason'>;
  private readonly durations: Histogram;

  constructor(private readonly metrics: Metrics) {
    const registers = [metrics];
    this.gaps = new Counter({ name: 'tributary_ingest_gaps_total', help: 'Gaps told, by reason', labelNames: ['reason'], registers });
    for (const reason of GAP_REASONS) this.gaps.inc({ reason }, 0);
    this.reconnects = new Counter({
      name: 'tributary_ingest_reconnects_total',
      help: 'Connections that followed another of the same room',
      registers,
    });
    this.ends = new Counter({
      name: 'tributary_ingest_connection_ends_total',
      help: 'Connections that ended, by reason',
      labelNames: ['reason'],
      registers,
    });
    this.durations = new Histogram({
      name: 'tributary_ingest_connection_seconds',
      help: 'How long connections were open',
      buckets: [1, 10, 60, 300, 1_800, 7_200, 28_800],
      registers,
    });
  }

  gap(reason: GapReason): void {
    this.gaps.inc({ reason });
  }

  reconnect(): void {
    this.reconnects.inc();
  }

  connectionEnd({ reason, durationMs }: ConnectionEnd): void {
    this.ends.inc({ reason });
    this.durations.observe(durationMs / 1000);
  }

  /** Publishes what these parts know of themselves. */
  watch(parts: { supervisor: Supervisor; producer: InboxProducer; leases: LeaseManager; signs: SignDesk; polls: PollDesk }): void {
    const { supervisor, producer, leases, signs, polls } = parts;
    const registers = [this.metrics];
    new Gauge({
      name: 'tributary_ingest_creators',
      help: 'Creators held by this worker, by state',
      labelNames: ['state'],
      registers,
      collect() {
        const states = supervisor.states();
        for (const state of CREATOR_STATES) this.set({ state }, states.get(state) ?? 0);
      },
    });
    new Gauge({
      name: 'tributary_ingest_events',
      help: 'Messages received, events made of them, appended to the inbox, confirmed by the store, refused for their fence, sent again',
      labelNames: ['stage'],
      registers,
      collect() {
        const { refused, resent, taken } = producer.stats();
        for (const [stage, value] of Object.entries({ ...supervisor.counters(), taken, refused, resent })) this.set({ stage }, value);
      },
    });
    this.gauge('tributary_ingest_memory_bytes', 'Events kept in memory until the store confirms them', () => producer.stats().bytes);
    this.gauge('tributary_ingest_unappended_seconds', 'Age of the oldest event that is not in the inbox', () => {
      const { oldestUnappendedAt } = producer.stats();
      return oldestUnappendedAt === undefined ? 0 : (Date.now() - oldestUnappendedAt) / 1000;
    });
    new Gauge({
      name: 'tributary_ingest_leases',
      help: 'Leases held now; claimed, taken over from silent workers, lost, restored, and failed commands since the start',
      labelNames: ['what'],
      registers,
      collect() {
        for (const [what, value] of Object.entries({ ...leases.stats() } satisfies Record<string, number>)) this.set({ what }, value);
      },
    });
    this.gauge('tributary_ingest_sign_calls_in_window', 'Sign calls within the last minute', () => signs.queue.usedInWindow);
    this.gauge('tributary_ingest_sign_queue', 'Connections that wait for a sign call', () => signs.queue.waiting);
    this.gauge('tributary_ingest_poll_queue', 'Polls that wait for their turn', () => polls.queue.waiting);
    this.gauge('tributary_ingest_poll_block_seconds', 'How long this address still rests from polling', () =>
      Math.max(0, (polls.restsUntil - Date.now()) / 1000),
    );
  }

  private gauge(name: string, help: string, value: () => number): void {
    new Gauge({
      name,
      help,
      registers: [this.metrics],
      collect() {
        this.set(value());
      },
    });
  }
}
