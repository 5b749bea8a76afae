import { describe, expect, it } from '@jest/globals';
import { CREATOR_STATES, type CreatorStatus, emptyCounters } from '@tributary/creators';
import { type CreatorFacts, knownState, type ReportedStatus } from './creator-state.js';

const NOW = 1_000_000;
const facts = (over: Partial<CreatorFacts> = {}): CreatorFacts => ({ paused: false, pausedSince: null, updatedAt: 500_000, ...over });
const reported = (status: Partial<CreatorStatus>, isHeld = true, beatAgeMs?: number): ReportedStatus => ({
  isHeld,
  status: { state: 'offline', since: 700_000, worker: 'w', counters: emptyCounters(), ...status },
  ...(beatAgeMs === undefined
    ? {}
    : {
        worker: {
          worker: 'w',
          capacity: 1,
          creators: 1,
          startedAt: 0,
          beatAgeMs,
          counters: { received: 0, decoded: 0, appended: 0, confirmed: 0 },
        },
      }),
});

describe('the state of a creator', () => {
  it('is what its living worker says, with its problem', () => {
    const problem = { reason: 'poll-failed', message: 'no route', at: 1 };
    for (const state of CREATOR_STATES.filter((one) => one !== 'paused')) {
      const status = { state, lastError: problem };
      expect(knownState(facts(), reported(status), NOW)).toMatchObject({ state, since: 700_000, problem, status });
    }
  });

  it('is paused where PostgreSQL says so, whatever its worker last reported and whether Redis answers', () => {
    const paused = facts({ paused: true, pausedSince: 600_000 });
    for (const last of [reported({ state: 'live' }), reported({ state: 'live' }, false), undefined, 'unreadable'] as const)
      expect(knownState(paused, last, NOW)).toEqual({ state: 'paused', since: 600_000, isLive: false });
    expect(knownState(facts({ paused: true }), undefined, NOW).since).toBe(500_000);
  });

  it('is not known where nobody holds it, since the last sign of life of whoever did', () => {
    const lost = (status: Partial<CreatorStatus>, beatAgeMs?: number) => knownState(facts(), reported(status, false, beatAgeMs), NOW);
    for (const state of ['live', 'offline', 'error', 'unknown'] as const)
      expect(lost({ state }, 30_000)).toMatchObject({
        state: 'unknown',
        since: NOW - 30_000,
        isLive: false,
        problem: { reason: 'worker-lost' },
      });
    expect(lost({ checked: { live: true, at: 800_000 } }).since).toBe(800_000);
    expect(lost({ worker: undefined }).problem?.message).toContain('since the last one stopped');
    expect(knownState(facts(), undefined, NOW)).toMatchObject({
      state: 'unknown',
      since: 500_000,
      problem: { message: 'no worker has taken it' },
    });
  });

  it('has no problem in the moment that a worker needs to take it', () => {
    const justNow = facts({ updatedAt: NOW - 2_000 });
    expect(knownState(justNow, undefined, NOW)).toEqual({ state: 'unknown', since: NOW - 2_000, isLive: false });
    expect(knownState(justNow, reported({ state: 'paused', worker: undefined }, false), NOW)).toMatchObject({
      state: 'unknown',
      since: NOW - 2_000,
    });
  });

  it('is null where workers cannot be heard', () => {
    expect(knownState(facts(), 'unreadable', NOW)).toEqual({ state: null, since: null, isLive: false });
  });

  it('is on air by what was known last; a worker of before says that by its state alone', () => {
    const isLive = (status: Partial<CreatorStatus>) => knownState(facts(), reported(status), NOW).isLive;
    expect(isLive({ state: 'blocked', checked: { live: true, at: 1 } })).toBe(true);
    expect(isLive({ state: 'blocked', checked: { live: false, at: 1 } })).toBe(false);
    expect([
      isLive({ state: 'live' }),
      isLive({ state: 'reconnecting' }),
      isLive({ state: 'error' }),
      isLive({ state: 'unknown' }),
    ]).toEqual([true, true, false, false]);
  });
});
