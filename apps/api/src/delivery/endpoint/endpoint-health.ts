import type { FailureCategory, Outcome } from '../../outbound/outcome.js';
import type { DeliveryQueue } from '../pipeline/queue.js';
import { restMs, type RetryPolicy } from '../request/retry-policy.js';

/** What is stored of an endpoint's health, ms since 1970. */
export interface StoredHealth {
  failingSince?: number;
  succeededAt?: number;
  failedAt?: number;
  /** Why that attempt failed, and the status where there was an answer. */
  failedCategory?: FailureCategory;
  failedStatus?: number;
  throttledUntil?: number;
}

/** Failures that take a place on the wire for long, or say that there is too much. */
const SLOWING: ReadonlySet<FailureCategory> = new Set(['timeout', 'connect', 'throttled', 'dns', 'tls', 'reset']);

/**
 * How many requests an endpoint may have on the wire: as many as it is configured for while they succeed, half with each failure that
 * costs time, so that one that hangs holds a few places and not its whole share.
 */
export class AdaptiveConcurrency {
  private size: number;

  constructor(private readonly max: number) {
    this.size = max;
  }

  get limit(): number {
    return Math.max(1, Math.floor(this.size));
  }

  succeeded(): void {
    this.size = Math.min(this.max, this.size + 1);
  }

  failed(): void {
    this.size = Math.max(1, this.size / 2);
  }
}

/** A queue that waits longer than this for its next attempt, in ms, takes no events meanwhile. */
const RESTING_MS_MIN = 5_000;

/** How an endpoint answers, and what follows from that for all of its deliveries: how many at a time, and from when on. */
export class EndpointHealth {
  /** Set when {@link stored} is to be written down. */
  changed = false;
  /** Nothing is sent before, ms since 1970. */
  restUntil: number;
  private concurrency: AdaptiveConcurrency;
  private throttles = 0;

  constructor(
    readonly stored: StoredHealth,
    maxInFlight: number,
    private readonly policy: RetryPolicy,
  ) {
    this.restUntil = stored.throttledUntil ?? 0;
    this.concurrency = new AdaptiveConcurrency(maxInFlight);
  }

  /** Requests that may be on the wire. */
  get concurrencyLimit(): number {
    return this.concurrency.limit;
  }

  /** Whether the endpoint takes nothing of this queue for a while: it is throttled, or the queue waits for a further attempt. */
  isResting(queue: Pick<DeliveryQueue, 'isBlocked' | 'nextAttemptAt'>, now: number): boolean {
    const until = now + RESTING_MS_MIN;
    return this.restUntil > until || (queue.isBlocked && (queue.nextAttemptAt ?? now) > until);
  }

  /** For how long every attempt has failed, in ms. */
  failingMs(now: number): number {
    return now - (this.stored.failingSince ?? now);
  }

  /** Takes over changed settings, and what was cleared by hand. */
  reset(maxInFlight: number, stored: StoredHealth): void {
    this.concurrency = new AdaptiveConcurrency(maxInFlight);
    if (this.changed) return;
    this.restUntil = stored.throttledUntil ?? 0;
    this.stored.failingSince = stored.failingSince;
  }

  /** Learns from an attempt that could have taken `timeoutMs`. */
  observe(outcome: Outcome, timeoutMs: number, now = Date.now()): void {
    const { stored } = this;
    this.changed = true;
    // An answer that took the whole time costs the place of many quick ones, whatever it says.
    const slow = outcome.latencyMs >= 0.9 * timeoutMs;
    if (slow || SLOWING.has(outcome.category ?? 'status')) this.concurrency.failed();
    else if (outcome.category === undefined) this.concurrency.succeeded();
    if (outcome.category === undefined) {
      this.throttles = 0;
      stored.succeededAt = now;
      delete stored.failingSince;
      delete stored.throttledUntil;
      return;
    }
    stored.failedAt = now;
    stored.failedCategory = outcome.category;
    stored.failedStatus = outcome.status;
    stored.failingSince ??= now;
    // Several answers of one moment count once.
    if (now >= this.restUntil) this.throttles += 1;
    const rest = restMs(this.policy, outcome, this.throttles);
    if (rest === undefined) {
      this.throttles = 0;
      return;
    }
    this.restUntil = Math.max(this.restUntil, now + rest);
    stored.throttledUntil = this.restUntil;
  }
}
