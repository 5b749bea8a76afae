import { describe, expect, it } from '@jest/globals';
import { GiftRuns, type GiftStep, RUN_SILENCE_MS } from './gift-runs.js';

const step = (repeatCount: number, parts: Partial<GiftStep> = {}): GiftStep => ({
  userId: '1',
  giftId: '5655',
  groupId: '900',
  repeatCount,
  repeatEnd: false,
  ...parts,
});
const end = (repeatCount: number, parts: Partial<GiftStep> = {}) => step(repeatCount, { repeatEnd: true, ...parts });

/** Counts of each step, one second apart. */
function counts(runs: GiftRuns, ...steps: GiftStep[]): number[] {
  return steps.map((one, n) => runs.step(one, n * 1_000).count);
}

/** A generator of equal numbers in every run of the test (mulberry32). */
function random(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

describe('GiftRuns', () => {
  it('counts the difference of each step, and the end that repeats the last one adds nothing', () => {
    expect(counts(new GiftRuns(), step(1), step(3), step(7), end(7))).toEqual([1, 2, 4, 0]);
  });

  it('an end without steps counts its whole run', () => {
    const runs = new GiftRuns();
    expect(runs.step(end(4), 0)).toEqual({ streakId: '900-1-5655', count: 4, streakCount: 4, final: true });
    expect(runs.openRuns).toBe(0);
  });

  it('late and repeated steps never subtract and never count twice, before or after the end', () => {
    expect(counts(new GiftRuns(), step(1), step(5), step(3), step(5), end(6), step(4), end(6), step(6))).toEqual([1, 4, 0, 0, 1, 0, 0, 0]);
  });

  it('a run is final once', () => {
    const runs = new GiftRuns();
    expect([step(1), end(2), end(2), step(2)].map((one) => runs.step(one, 0).final)).toEqual([false, true, false, false]);
  });

  it('runs of other users, gifts and groups are counted apart', () => {
    const others = [step(2), step(2, { userId: '2' }), step(2, { giftId: '1' }), step(2, { groupId: '901' })];
    expect(counts(new GiftRuns(), ...others)).toEqual([2, 2, 2, 2]);
  });

  it('silence of 60 s closes a run; a step after it still counts the difference only', () => {
    const runs = new GiftRuns();
    runs.step(step(3), 0);
    runs.sweep(RUN_SILENCE_MS - 1);
    expect(runs.openRuns).toBe(1);
    runs.sweep(RUN_SILENCE_MS);
    expect(runs.openRuns).toBe(0);
    expect(runs.step(step(5), RUN_SILENCE_MS + 1_000)).toMatchObject({ count: 2, streakCount: 5, final: false });
  });

  it('a run that fell silent without its end is known to the next holder, who counts the difference only', () => {
    const runs = new GiftRuns();
    runs.step(step(3), 0);
    runs.sweep(RUN_SILENCE_MS);
    runs.step(step(1, { groupId: '901' }), 3 * RUN_SILENCE_MS);
    const next = new GiftRuns();
    next.restore(runs.save());
    next.sweep(3 * RUN_SILENCE_MS);
    expect(next.openRuns).toBe(1);
    expect(next.step(step(5), 3 * RUN_SILENCE_MS)).toMatchObject({ count: 2, streakCount: 5, final: false });
  });

  it('without a group, a run that ended or fell silent starts anew', () => {
    const runs = new GiftRuns();
    const nameless = { groupId: '0' };
    expect(runs.step(step(2, nameless), 0).count).toBe(2);
    expect(runs.step(end(3, nameless), 1_000)).toMatchObject({ count: 1, final: true });
    expect(runs.step(step(2, nameless), 2_000)).toMatchObject({ count: 2, final: false });
    expect(runs.step(step(1, nameless), 2_000 + RUN_SILENCE_MS)).toMatchObject({ count: 1, streakCount: 1 });
  });

  it('stays bounded, and then forgets the run that was silent longest', () => {
    const runs = new GiftRuns();
    for (let n = 0; n < 5_000; n++) runs.step(step(1, { groupId: String(n + 1) }), n);
    expect(runs.openRuns).toBe(1_024);
    expect(runs.step(step(2, { groupId: '5000' }), 5_000).count).toBe(1);
    expect(runs.step(step(2, { groupId: '1' }), 5_000).count).toBe(2);
  });

  it('forgets closed runs after ten minutes', () => {
    const runs = new GiftRuns();
    runs.step(end(5), 0);
    runs.sweep(599_999);
    expect(runs.step(end(5), 599_999).count).toBe(0);
    runs.sweep(2_000_000);
    expect(runs.step(end(5), 2_000_000).count).toBe(5);
  });

  it('sums to the highest step of each run, whatever the order, duplicates, losses and changes of holder', () => {
    const next = random(7);
    for (let round = 0; round < 200; round++) {
      const highest = new Map<string, number>();
      const steps: GiftStep[] = [];
      for (let run = 0; run < 8; run++) {
        const groupId = String(1_000 + run);
        const length = 1 + Math.floor(next() * 12);
        for (let n = 1; n <= length; n++) if (next() < 0.8) steps.push(step(n, { groupId }));
        if (next() < 0.7) steps.push(end(length, { groupId }));
      }
      steps.sort(() => next() - 0.5);
      const shuffled = steps.flatMap((one) => (next() < 0.3 ? [one, one] : [one]));
      let runs = new GiftRuns();
      let sum = 0;
      shuffled.forEach((one, n) => {
        highest.set(one.groupId, Math.max(highest.get(one.groupId) ?? 0, one.repeatCount));
        sum += runs.step(one, n * 100).count;
        if (next() < 0.1) runs.sweep(n * 100);
        if (next() < 0.1) {
          const next = new GiftRuns();
          next.restore(runs.save());
          runs = next;
        }
      });
      expect(sum).toBe([...highest.values()].reduce((a, b) => a + b, 0));
    }
  });
});
