import { backoffMs, type BackoffBounds } from '@tributary/runtime';
import type { FailureReason } from '../providers/provider.js';

export interface BreakerOptions {
  /** Failures in a row after which it opens. */
  failuresMax: number;
  /** How long it stays open; grows with each opening until a call succeeds. */
  open: BackoffBounds;
  now?: () => number;
}

export type BreakerState = 'closed' | 'open' | 'half-open';

/** Permission for one call. Exactly one of its methods must be called, once. */
export interface Permit {
  probe: boolean;
  succeeded(): void;
  failed(reason: FailureReason, retryAfterMs?: number): void;
  /** The call counts neither way: the client left, or the creator is offline. */
  abandoned(): void;
}

/**
 * Keeps calls away from a provider that fails. Closed until `failuresMax` failures in a row, or one that names a time
 * to wait; then open for a while; then half-open: one probe at a time decides.
 */
export class Breaker {
  private failuresInRow = 0;
  private openings = 0;
  private openUntil = 0;
  private probing = false;
  /** Bumped by a reset, so that calls begun before it no longer count. */
  private epoch = 0;
  private readonly now: () => number;
  /** Why it last opened. */
  lastReason: FailureReason | undefined;

  constructor(private readonly options: BreakerOptions) {
    this.now = options.now ?? Date.now;
  }

  get state(): BreakerState {
    if (this.openUntil === 0) return 'closed';
    return this.now() < this.openUntil ? 'open' : 'half-open';
  }

  /** ms until a probe may be made; 0 when not open. */
  get openForMs(): number {
    return Math.max(0, this.openUntil - this.now());
  }

  /** Closed, with no failure since the last success. */
  get hasNoFailures(): boolean {
    return this.openUntil === 0 && this.failuresInRow === 0;
  }

  /** Permission for a call; undefined while it is open, or half-open with a probe under way. */
  acquire(): Permit | undefined {
    const state = this.state;
    if (state === 'open' || (state === 'half-open' && this.probing)) return undefined;
    const probe = state === 'half-open';
    if (probe) this.probing = true;
    const epoch = this.epoch;
    const settle = (then: () => void) => () => {
      if (epoch !== this.epoch) return;
      if (probe) this.probing = false;
      then();
    };
    return {
      probe,
      succeeded: settle(() => this.close()),
      failed: (reason, retryAfterMs) => settle(() => this.fail(reason, probe, retryAfterMs))(),
      abandoned: settle(() => undefined),
    };
  }

  /** Closes it and forgets all failures. */
  reset(): void {
    this.epoch += 1;
    this.probing = false;
    this.lastReason = undefined;
    this.close();
  }

  private close(): void {
    this.failuresInRow = 0;
    this.openings = 0;
    this.openUntil = 0;
  }

  private fail(reason: FailureReason, probe: boolean, retryAfterMs: number | undefined): void {
    this.failuresInRow += 1;
    if (!probe && this.openUntil > 0) return;
    if (!probe && retryAfterMs === undefined && this.failuresInRow < this.options.failuresMax) return;
    this.lastReason = reason;
    // A wait that the other side asked for is kept, up to twice the longest time that this breaker stays open by itself.
    const asked = Math.min(retryAfterMs ?? 0, 2 * this.options.open.maxMs);
    this.openUntil = this.now() + Math.max(asked, backoffMs(this.openings, this.options.open));
    this.openings += 1;
  }
}
