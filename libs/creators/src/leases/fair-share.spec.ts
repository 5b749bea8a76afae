import { describe, expect, it } from '@jest/globals';
import { fairShare, movesNow } from './fair-share.js';

describe('fairShare', () => {
  it('leaves no creator without a holder, whatever the capacities', () => {
    for (const capacities of [[10], [100, 100], [100, 50, 10], [7, 7, 7, 7, 7]]) {
      const all = capacities.reduce((sum, one) => sum + one, 0);
      for (let creators = 0; creators <= all; creators += 1) {
        const places = capacities.map((own, at) => fairShare(creators, own, capacities.toSpliced(at, 1)).claimUpTo);
        expect(places.reduce((sum, one) => sum + one, 0)).toBeGreaterThanOrEqual(creators);
      }
    }
  });

  it('never exceeds capacity', () => {
    expect(fairShare(1_000, 20, []).claimUpTo).toBe(20);
    expect(fairShare(1_000, 20, [10]).keepUpTo).toBe(20);
  });

  it('spreads small numbers evenly', () => {
    expect(fairShare(2, 100, [100]).claimUpTo).toBe(1);
    expect(fairShare(3, 100, [100]).keepUpTo).toBe(2);
  });
});

describe('movesNow', () => {
  it('moves nothing while the spread is within its slack', () => {
    const share = fairShare(200, 500, [500]);
    expect(movesNow({ quiet: share.keepUpTo, live: 0 }, share)).toEqual({ quiet: 0, live: 0 });
  });

  it('gives away a bounded part per interval, quiet creators first', () => {
    const share = fairShare(1_000, 2_000, [2_000]);
    expect(movesNow({ quiet: 900, live: 100 }, share)).toEqual({ quiet: 250, live: 0 });
    expect(movesNow({ quiet: 10, live: 990 }, share)).toEqual({ quiet: 10, live: 0 });
    expect(movesNow({ quiet: 0, live: 1_000 }, share)).toEqual({ quiet: 0, live: 50 });
  });

  it('ends: other workers have room for everything that one worker gives away', () => {
    const share = fairShare(1_000, 2_000, [2_000]);
    let held = 1_000;
    let intervals = 0;
    while (held > share.keepUpTo) {
      held -= movesNow({ quiet: 0, live: held }, share).live;
      intervals += 1;
    }
    expect(1_000 - held).toBeLessThanOrEqual(share.claimUpTo);
    expect(intervals).toBeLessThan(20);
  });
});
