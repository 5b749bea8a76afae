import { CREATOR_STATES, type LeaseManager } from '@tributary/creators';
import { GAP_REASONS, type GapReason } from '@tributary/events';
import type { InboxProducer } from '@tributary/log';
import type { Metrics } from '@tributary/runtime';
import { Counter, Gauge, Histogram } from 'prom-client';
import type { BackPressure } from '../session/back-pressure.js';
import type { PollDesk } from '../discovery/liveness-poller.js';
import type { ConnectionReport, WorkerTotals } from '../session/room-connection.js';
import type { SignDesk } from '../signing/sign-scheduler.js';
import type { Supervisor } from '../handover/supervisor.js';

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

  connectionEnd({ reason, durationMs }: ConnectionReport): void {
    this.ends.inc({ reason });
    this.durations.observe(durationMs / 1000);
  }

  /** Publishes what these parts know of themselves. */
  watch(parts: { supervisor: Supervisor; leases: LeaseManager; signs: SignDesk; polls: PollDesk }): void {
    const { supervisor, leases, signs, polls } = parts;
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
      name: 'tributary_ingest_leases',
      help: 'Leases held now; claimed, taken over from silent workers, lost, restored, and failed commands since the start',
      labelNames: ['what'],
      registers,
      collect() {
        for (const [what, value] of Object.entries({ ...leases.stats() } satisfies Record<string, number>)) this.set({ what }, value);
      },
    });
    new Gauge({
      name: 'tributary_ingest_hand_overs',
      help: 'Creators handed over since the start: offered, given, withdrawn, stranded; taken from others, adopted, dropped; on standby now',
      labelNames: ['what'],
      registers,
      collect() {
        const { given, taken } = supervisor.handOverStats();
        const { done, ...offers } = given;
        const { now, ...standbys } = taken;
        for (const [what, value] of Object.entries({ ...offers, given: done, ...standbys, standby: now })) this.set({ what }, value);
      },
    });
    this.gauge('tributary_ingest_sign_calls_in_window', 'Sign calls within the last minute', () => signs.queue.usedInWindow);
    this.gauge('tributary_ingest_sign_queue', 'Connections that wait for a sign call', () => signs.queue.waiting);
    this.gauge('tributary_ingest_poll_queue', 'Polls that wait for their turn', () => polls.waiting);
    this.gauge(
      'tributary_ingest_poll_addresses_resting',
      'Addresses (this one, and proxies) that rest since TikTok blocks them',
      () => polls.addresses.resting,
    );
    this.gauge('tributary_ingest_poll_block_seconds', 'How long this address still rests from polling', () =>
      Math.max(0, (polls.restsUntil - Date.now()) / 1000),
    );
  }

  /** Publishes where events are between socket and store. */
  watchFlow({ totals, producer, pressure }: { totals: WorkerTotals; producer: InboxProducer; pressure: BackPressure }): void {
    const registers = [this.metrics];
    new Gauge({
      name: 'tributary_ingest_events',
      help: 'Messages received (of these undecodable), frames that could not be read, events decoded of them, taken and turned away by memory, appended to the inbox, confirmed by the store, refused for their fence, sent again, lost on disk',
      labelNames: ['stage'],
      registers,
      collect() {
        const { taken, turnedAway, appended, confirmed, refused, resent, lost } = producer.stats();
        const { unreadFrames: frames_unreadable, ...messages } = totals;
        const stages = { ...messages, frames_unreadable, taken, turned_away: turnedAway, appended, confirmed, refused, resent, lost };
        for (const [stage, value] of Object.entries(stages)) this.set({ stage }, value);
      },
    });
    this.gauge('tributary_ingest_memory_bytes', 'Events kept in memory until the store confirms them', () => producer.stats().bytes);
    this.gauge('tributary_ingest_unappended_seconds', 'Age of the oldest event that is not in the inbox', () => {
      const { oldestUnappendedAt } = producer.stats();
      return oldestUnappendedAt === undefined ? 0 : (Date.now() - oldestUnappendedAt) / 1000;
    });
    this.gauge('tributary_ingest_spool_bytes', 'Events on disk until the store confirms them', () => producer.stats().spool?.bytes ?? 0);
    new Gauge({
      name: 'tributary_ingest_spool',
      help: 'Events spooled; of runs that ended: runs found, events replayed, refused, abandoned, lost, waiting; torn and corrupt segments',
      labelNames: ['what'],
      registers,
      collect() {
        const { bytes: _bytes, ...counts } = producer.stats().spool ?? { bytes: 0 };
        for (const [what, value] of Object.entries(counts satisfies Record<string, number>)) this.set({ what }, value);
      },
    });
    this.gauge('tributary_ingest_paused', '1 while sockets are not read because memory is short', () => (pressure.isPaused ? 1 : 0));
    this.gauge('tributary_ingest_paused_seconds', 'How long sockets were not read since the start', () => pressure.pausedMs / 1000);
    new Gauge({
      name: 'tributary_ingest_pauses',
      help: 'Times that sockets were not read since the start, and of these the ones that ended before memory was free',
      labelNames: ['what'],
      registers,
      collect() {
        for (const [what, value] of Object.entries(pressure.counts)) this.set({ what }, value);
      },
    });
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
