import type { Outcome } from '../../outbound/outcome.js';

/** When attempts are made, and when an endpoint is given up. */
export interface RetryPolicy {
  /** Wait before each attempt of a delivery, in ms; its length is the number of attempts. */
  scheduleMs: readonly number[];
  /** Each wait is varied by up to this share, up and down. */
  jitter: number;
  /** The longest that a `Retry-After` is honoured. */
  retryAfterMsMax: number;
  /** An endpoint whose every attempt failed for this long is disabled. */
  disableAfterMs: number;
  /** Pause of a whole endpoint after an answer that says "overloaded" without saying for how long; doubled each time. */
  throttle: { firstMs: number; maxMs: number };
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** The field's values: ten attempts over about 76 hours. */
export const RETRY_POLICY: RetryPolicy = {
  scheduleMs: [0, 5 * SECOND, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR],
  jitter: 0.2,
  retryAfterMsMax: 10 * HOUR,
  disableAfterMs: 120 * HOUR,
  throttle: { firstMs: SECOND, maxMs: MINUTE },
};

/** What follows from an attempt for its delivery. */
export type NextStep = { kind: 'delivered' } | { kind: 'retry'; afterMs: number } | { kind: 'dead' };

/** Decides about a delivery after its `attempt`-th attempt (counted from 1). */
export function nextStep(policy: RetryPolicy, attempt: number, outcome: Outcome, random = Math.random()): NextStep {
  if (outcome.category === undefined) return { kind: 'delivered' };
  const step = policy.scheduleMs[attempt];
  if (step === undefined) return { kind: 'dead' };
  const jittered = Math.round(step * (1 - policy.jitter + 2 * policy.jitter * random));
  const { retryAfterMs } = outcome;
  return {
    kind: 'retry',
    afterMs: retryAfterMs === undefined ? jittered : Math.max(jittered, Math.min(retryAfterMs, policy.retryAfterMsMax)),
  };
}

/**
 * How long the whole endpoint rests after an answer; undefined when it does not.
 * @param times throttling answers in a row, this one included
 */
export function restMs(policy: RetryPolicy, outcome: Outcome, times: number): number | undefined {
  const unavailable = outcome.status === 503 && outcome.retryAfterMs !== undefined;
  if (outcome.category !== 'throttled' && !unavailable) return undefined;
  const { firstMs, maxMs } = policy.throttle;
  const growing = Math.min(maxMs, firstMs * 2 ** Math.min(times - 1, 20));
  return outcome.retryAfterMs === undefined ? growing : Math.max(firstMs, Math.min(outcome.retryAfterMs, policy.retryAfterMsMax));
}
