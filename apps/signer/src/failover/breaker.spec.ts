import { beforeEach, describe, expect, it } from '@jest/globals';
import { Breaker } from './breaker.js';

describe('Breaker', () => {
  let now: number;
  let breaker: Breaker;
  const OPEN = { firstMs: 1_000, maxMs: 60_000 };

  beforeEach(() => {
    now = 1_000_000;
    breaker = new Breaker({ failuresMax: 3, open: OPEN, now: () => now });
  });
  const fail = (times: number, retryAfterMs?: number) => {
    for (let i = 0; i < times; i++) breaker.acquire()?.failed('empty-body', retryAfterMs);
  };

  it('opens after the set number of failures in a row, and not before', () => {
    fail(2);
    expect(breaker.state).toBe('closed');
    breaker.acquire()?.succeeded();
    fail(2);
    expect(breaker.state).toBe('closed');
    fail(1);
    expect(breaker).toMatchObject({ state: 'open', lastReason: 'empty-body' });
    expect(breaker.acquire()).toBeUndefined();
  });

  it('lets one probe through at a time when its rest is over, and closes on its success', () => {
    fail(3);
    now += breaker.openForMs;
    expect(breaker.state).toBe('half-open');
    const probe = breaker.acquire();
    expect(probe?.probe).toBe(true);
    expect(breaker.acquire()).toBeUndefined();
    probe?.succeeded();
    expect(breaker.state).toBe('closed');
    expect(breaker.acquire()?.probe).toBe(false);
  });

  it('opens again after a failed probe, for longer with each opening, up to its bound', () => {
    fail(3);
    const rests: number[] = [];
    for (let i = 0; i < 12; i++) {
      rests.push(breaker.openForMs);
      now += breaker.openForMs;
      breaker.acquire()?.failed('timeout');
      expect(breaker.state).toBe('open');
    }
    expect(Math.max(...rests)).toBeLessThanOrEqual(OPEN.maxMs);
    expect(Math.max(...rests.slice(6))).toBeGreaterThan(OPEN.firstMs);
  });

  it('rests at once for as long as the other side asks, within a bound', () => {
    fail(1, 5_000);
    expect(breaker.openForMs).toBe(5_000);
    breaker.reset();
    fail(1, 86_400_000);
    expect(breaker.openForMs).toBe(2 * OPEN.maxMs);
  });

  it('frees the probe when the client left before it was answered', () => {
    fail(3);
    now += breaker.openForMs;
    breaker.acquire()?.abandoned();
    expect(breaker.state).toBe('half-open');
    expect(breaker.acquire()?.probe).toBe(true);
  });

  it('forgets calls that began before a reset', () => {
    const early = [breaker.acquire(), breaker.acquire(), breaker.acquire()];
    breaker.reset();
    for (const permit of early) permit?.failed('connect');
    fail(2);
    expect(breaker.state).toBe('closed');
  });
});
