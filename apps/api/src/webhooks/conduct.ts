import type { FailureCategory, Outcome } from './guard/outcome.js';
import { Window } from './pace.js';
import { restMs, type RetryPolicy } from './retry.js';
import type { Health } from './runner-store.js';

/** Failures that take a place on the wire for long, or say that there is too much. */
const SLOWING: ReadonlySet<FailureCategory> = new Set(['timeout', 'connect', 'throttled', 'dns', 'tls', 'reset']);

/** How an endpoint behaves, and what follows from that for all of its deliveries: how many at a time, and from when on. */
export class Conduct {
  /** Set when {@link health} is to be written down. */
  changed = false;
  /** Nothing is sent before, ms since 1970. */
  restUntil: number;
  private window: Window;
  private throttles = 0;

  constructor(
    readonly health: Health,
    maxInFlight: number,
    private readonly policy: RetryPolicy,
  ) {
    this.restUntil = health.throttledUntil ?? 0;
    this.window = new Window(maxInFlight);
  }

  /** Requests that may be on the wire. */
  get open(): number {
    return this.window.open;
  }

  /** For how long every attempt has failed, in ms. */
  failingMs(now: number): number {
    return now - (this.health.failingSince ?? now);
  }

  /** Takes over changed settings, and what was cleared by hand. */
  reset(maxInFlight: number, stored: Health): void {
    this.window = new Window(maxInFlight);
    if (this.changed) return;
    this.restUntil = stored.throttledUntil ?? 0;
    this.health.failingSince = stored.failingSince;
  }

  /** Learns from an attempt that may take `timeoutMs`. */
  judge(outcome: Outcome, timeoutMs: number, now = Date.now()): void {
    const { health } = this;
    this.changed = true;
    // An answer that took the whole time costs the place of many quick ones, whatever it says.
    const slow = outcome.latencyMs >= 0.9 * timeoutMs;
    if (slow || SLOWING.has(outcome.category ?? 'status')) this.window.failed();
    else if (outcome.category === undefined) this.window.succeeded();
    if (outcome.category === undefined) {
      this.throttles = 0;
      health.succeededAt = now;
      delete health.failingSince;
      delete health.throttledUntil;
      return;
    }
    health.failedAt = now;
    health.failingSince ??= now;
    // Several answers of one moment count once.
    if (now >= this.restUntil) this.throttles += 1;
    const rest = restMs(this.policy, outcome, this.throttles);
    if (rest === undefined) {
      this.throttles = 0;
      return;
    }
    this.restUntil = Math.max(this.restUntil, now + rest);
    health.throttledUntil = this.restUntil;
  }
}
