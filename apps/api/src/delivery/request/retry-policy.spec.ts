import { describe, expect, it } from '@jest/globals';
import type { Outcome } from '../../outbound/outcome.js';
import { categoryOfStatus, printable } from '../../outbound/outcome.js';
import { nextStep, restMs, RETRY_POLICY } from './retry-policy.js';

const failure = (more: Partial<Outcome> = {}): Outcome => ({
  category: 'status',
  status: 500,
  latencyMs: 1,
  headers: {},
  body: '',
  ...more,
});

describe('the retry schedule', () => {
  it('makes ten attempts over about 76 hours and then gives the delivery up', () => {
    const waits = Array.from({ length: 10 }, (_, i) => nextStep(RETRY_POLICY, i + 1, failure(), 0.5));
    expect(waits.at(-1)).toEqual({ kind: 'dead' });
    const total = waits.reduce((sum, step) => sum + (step.kind === 'retry' ? step.afterMs : 0), 0);
    expect(total / 3_600_000).toBeCloseTo(75.6, 1);
  });

  it('varies each wait by a fifth at most', () => {
    expect(nextStep(RETRY_POLICY, 1, failure(), 0)).toEqual({ kind: 'retry', afterMs: 4_000 });
    expect(nextStep(RETRY_POLICY, 1, failure(), 1)).toEqual({ kind: 'retry', afterMs: 6_000 });
  });

  it('ends with the first success', () => {
    expect(nextStep(RETRY_POLICY, 3, { status: 204, latencyMs: 1, headers: {}, body: '' })).toEqual({ kind: 'delivered' });
  });

  it('honours Retry-After, never below its own step and never above ten hours', () => {
    const after = (retryAfterMs: number, attempt = 1) => nextStep(RETRY_POLICY, attempt, failure({ retryAfterMs }), 0.5);
    expect(after(60_000)).toEqual({ kind: 'retry', afterMs: 60_000 });
    expect(after(1_000)).toEqual({ kind: 'retry', afterMs: 5_000 });
    expect(after(99 * 3_600_000)).toEqual({ kind: 'retry', afterMs: 36_000_000 });
    expect(after(1_000, 9)).toEqual({ kind: 'retry', afterMs: 24 * 3_600_000 });
  });

  it('rests the whole endpoint on answers that say overloaded, longer each time', () => {
    const throttled = failure({ category: 'throttled', status: 429 });
    expect([1, 2, 3, 9].map((times) => restMs(RETRY_POLICY, throttled, times))).toEqual([1_000, 2_000, 4_000, 60_000]);
    expect(restMs(RETRY_POLICY, { ...throttled, retryAfterMs: 120_000 }, 1)).toBe(120_000);
    expect(restMs(RETRY_POLICY, failure(), 1)).toBeUndefined();
  });
});

describe('answers', () => {
  it('are successes from 200 to 299 alone', () => {
    expect([200, 204, 299].map(categoryOfStatus)).toEqual([undefined, undefined, undefined]);
    expect([300, 301, 308, 400, 404, 410, 429, 500, 502, 503, 504, 600].map(categoryOfStatus)).toEqual([
      'redirect',
      'redirect',
      'redirect',
      'status',
      'status',
      'gone',
      'throttled',
      'status',
      'throttled',
      'status',
      'throttled',
      'status',
    ]);
  });

  it('are kept without the one character that the database refuses', () => {
    expect(printable('a\0b')).toBe('a\u{FFFD}b');
    expect(printable('\u{1F381}'.slice(0, 1))).toBe('\u{FFFD}');
    expect(printable('\u{1F381}')).toBe('\u{1F381}');
  });
});
