import type { BreakerState } from './breaker.js';
import type { FailureReason } from '../providers/provider.js';

/** The outcome of one attempt. */
export interface AttemptOutcome {
  at: number;
  durationMs: number;
  reason: FailureReason | 'ok';
}

/** Figures of one provider and operation. Counts are since the start of the process; the rest is of its last attempts. */
export interface AttemptReport {
  attempts: number;
  successes: number;
  failures: Partial<Record<FailureReason, number>>;
  recent: { attempts: number; successRate: number | null; latencyMs: { p50: number; p95: number } | null };
  lastSuccessAt: string | null;
  lastFailure: { at: string; reason: FailureReason; message: string } | null;
}

/** Figures and breakers of one provider in one operation. */
export interface ProviderOperationReport extends AttemptReport {
  breaker: { state: BreakerState; openForMs: number; reason: FailureReason | null };
  /** Rooms that this provider fails for, and those of them that it leaves alone for now. */
  rooms: { failing: number; resting: number };
}

const RECENT_MAX = 200;

/** Counts attempts by outcome and keeps the last 200 of them. */
export class AttemptStatistics {
  private readonly counts = new Map<FailureReason | 'ok', number>();
  private readonly recent: AttemptOutcome[] = [];
  private next = 0;
  private lastSuccessAt: number | undefined;
  private lastFailure: { at: number; reason: FailureReason; message: string } | undefined;

  add(attempt: AttemptOutcome, message: string): void {
    this.counts.set(attempt.reason, (this.counts.get(attempt.reason) ?? 0) + 1);
    this.recent[this.next] = attempt;
    this.next = (this.next + 1) % RECENT_MAX;
    if (attempt.reason === 'ok') this.lastSuccessAt = attempt.at;
    else this.lastFailure = { at: attempt.at, reason: attempt.reason, message };
  }

  report(): AttemptReport {
    const successes = this.counts.get('ok') ?? 0;
    const failures: Partial<Record<FailureReason, number>> = {};
    for (const [reason, count] of this.counts) if (reason !== 'ok') failures[reason] = count;
    const good = this.recent.filter(({ reason }) => reason === 'ok').length;
    return {
      attempts: [...this.counts.values()].reduce((sum, count) => sum + count, 0),
      successes,
      failures,
      recent: {
        attempts: this.recent.length,
        successRate: this.recent.length === 0 ? null : Math.round((1000 * good) / this.recent.length) / 1000,
        latencyMs: latencies(this.recent),
      },
      lastSuccessAt: this.lastSuccessAt === undefined ? null : new Date(this.lastSuccessAt).toISOString(),
      lastFailure: this.lastFailure ? { ...this.lastFailure, at: new Date(this.lastFailure.at).toISOString() } : null,
    };
  }
}

function latencies(attempts: AttemptOutcome[]): { p50: number; p95: number } | null {
  const sorted = attempts.map(({ durationMs }) => durationMs).sort((a, b) => a - b);
  const at = (share: number) => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0);
  return sorted.length === 0 ? null : { p50: at(0.5), p95: at(0.95) };
}
