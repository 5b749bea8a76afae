import { CREATOR_STATES, type LeaseManager } from '@tributary/creators';
import { GAP_REASONS, type GapReason } from '@tributary/events';
import type { InboxProducer } from '@tributary/log';
import type { Metrics } from '@tributary/runtime';
import { Counter, Gauge, Histogram } from 'prom-client';
import type { LivenessPoller } from '../discovery/liveness-poller.js';
import type { Supervisor } from '../handover/supervisor.js';
import type { BackPressure } from '../pacing/back-pressure.js';
import type { ConnectionReport, MessageTotals } from '../session/message-pipeline.js';
import type { SessionMetrics } from '../session/room-services.js';
import type { SignScheduler } from '../signing/sign-scheduler.js';

/** Metrics of one worker. Events are counted as they happen; states are read when a scraper asks. */
export class IngestMetrics implements SessionMetrics {
  readonly totals: MessageTotals = { received: 0, unreadFrames: 0, undecodable: 0, decoded: 0 };
  private readonly gaps: Counter<'reason'>;
  private readonly reconnects: Counter;
  private readonly ends: Counter<'reason'>;
  private readonly durations: Histogram;

  constructor(private readonly metrics: Metrics) {
    const registers = [metrics];
    this.gaps = new Counter({ name: 'tributary_ingest_gaps_total', help: 'Gaps published, by reason', labelNames: ['reason'], registers });
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

  /** Publishes the states of creators, leases, handovers and queues. */
  watchCreators(parts: { supervisor: Supervisor; leases: LeaseManager; signer: SignScheduler; poller: LivenessPoller }): void {
    const { supervisor, leases, signer, poller } = parts;
    const registers = [this.metrics];
    new Gauge({
      name: 'tributary_ingest_creators',
      help: 'Creators held by this worker, by state',
      labelNames: ['state'],
      registers,
      collect() {
        const states = supervisor.heldCreators.states();
        for (const state of CREATOR_STATES) this.set({ state }, states.get(state) ?? 0);
      },
    });
    const leasesHelp = 'Leases held now; claimed, taken over from silent workers, lost, restored, and failed commands since the start';
    this.group('tributary_ingest_leases', 'what', leasesHelp, () => ({ ...leases.stats() }));
    const handoversHelp =
      'Creators handed over since the start: offered, completed, withdrawn, released; taken from others, adopted, dropped; standby connections now';
    this.group('tributary_ingest_handovers', 'what', handoversHelp, () => ({ ...supervisor.handoverStats() }));
    this.gauge('tributary_ingest_sign_calls_in_window', 'Sign calls within the last minute', () => signer.queue.usedInWindow);
    this.gauge('tributary_ingest_sign_queue', 'Connections that wait for a sign call', () => signer.queue.waiting);
    this.gauge('tributary_ingest_poll_queue', 'Polls that wait in a queue', () => poller.waiting);
    this.gauge(
      'tributary_ingest_poll_addresses_in_cooldown',
      'Addresses (this one, and proxies) in cooldown since TikTok blocks them',
      () => poller.addresses.inCooldown,
    );
    this.gauge('tributary_ingest_poll_cooldown_seconds', 'How long the cooldown of this address still lasts', () =>
      Math.max(0, (poller.cooldownUntil - Date.now()) / 1000),
    );
  }

  /** Publishes where events are between socket and store. */
  watchPipeline({ producer, pressure }: { producer: InboxProducer; pressure: BackPressure }): void {
    const eventsHelp =
      'Messages received (of these undecodable), frames that could not be read, events decoded of them, taken and turned away by memory, appended to the inbox, confirmed by the store, refused for their fence, sent again, lost on disk';
    this.group('tributary_ingest_events', 'stage', eventsHelp, () => this.eventsByStage(producer));
    this.gauge('tributary_ingest_memory_bytes', 'Events kept in memory until the store confirms them', () => producer.stats().bytes);
    this.gauge('tributary_ingest_unappended_seconds', 'Age of the oldest event that is not in the inbox', () => {
      const { oldestUnappendedAt } = producer.stats();
      return oldestUnappendedAt === undefined ? 0 : (Date.now() - oldestUnappendedAt) / 1000;
    });
    this.gauge('tributary_ingest_spool_bytes', 'Events on disk until the store confirms them', () => producer.stats().spool?.bytes ?? 0);
    const spoolCounts = () => {
      const { bytes: _bytes, ...counts } = producer.stats().spool ?? { bytes: 0 };
      return counts;
    };
    const spoolHelp =
      'Events spooled; of runs that ended: runs found, events replayed, refused, abandoned, lost, waiting; torn and corrupt segments';
    this.group('tributary_ingest_spool', 'what', spoolHelp, spoolCounts);
    this.gauge('tributary_ingest_paused', '1 while sockets are not read because memory is short', () => (pressure.isPaused ? 1 : 0));
    this.gauge('tributary_ingest_paused_seconds', 'How long sockets were not read since the start', () => pressure.pausedMs / 1000);
    const pausesHelp = 'Times that sockets were not read since the start, and of these the ones that ended before memory was free';
    this.group('tributary_ingest_pauses', 'what', pausesHelp, () => pressure.counts);
  }

  private eventsByStage(producer: InboxProducer): Record<string, number> {
    const { taken, turnedAway, appended, confirmed, refused, resent, lost } = producer.stats();
    const { unreadFrames: frames_unreadable, ...messages } = this.totals;
    return { ...messages, frames_unreadable, taken, turned_away: turnedAway, appended, confirmed, refused, resent, lost };
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

  /** One gauge for several values, told apart by a label. */
  private group(name: string, label: string, help: string, values: () => Record<string, number>): void {
    new Gauge({
      name,
      help,
      labelNames: [label],
      registers: [this.metrics],
      collect() {
        for (const [what, value] of Object.entries(values())) this.set({ [label]: what }, value);
      },
    });
  }
}
