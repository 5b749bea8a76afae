import { describe, expect, it } from '@jest/globals';
import { GiftStreaks, type GiftStep, STREAK_SILENCE_MS } from './gift-streaks.js';

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
function counts(streaks: GiftStreaks, ...steps: GiftStep[]): number[] {
  return steps.map((one, n) => streaks.step(one, n * 1_000).count);
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

describe('GiftStreaks', () => {
  it('counts the difference of each step, and the end that repeats the last one adds nothing', () => {
    expect(counts(new GiftStreaks(), step(1), step(3), step(7), end(7))).toEqual([1, 2, 4, 0]);
  });

  it('an end without steps counts its whole streak', () => {
    const streaks = new GiftStreaks();
    expect(streaks.step(end(4), 0)).toEqual({ streakId: '900-1-5655', count: 4, streakCount: 4, final: true });
    expect(streaks.openStreaks).toBe(0);
  });

  it('late and repeated steps never subtract and never count twice, before or after the end', () => {
    expect(counts(new GiftStreaks(), step(1), step(5), step(3), step(5), end(6), step(4), end(6), step(6))).toEqual([
      1, 4, 0, 0, 1, 0, 0, 0,
    ]);
  });

  it('a streak is final once', () => {
    const streaks = new GiftStreaks();
    expect([step(1), end(2), end(2), step(2)].map((one) => streaks.step(one, 0).final)).toEqual([false, true, false, false]);
  });

  it('streaks of other users, gifts and groups are counted apart', () => {
    const others = [step(2), step(2, { userId: '2' }), step(2, { giftId: '1' }), step(2, { groupId: '901' })];
    expect(counts(new GiftStreaks(), ...others)).toEqual([2, 2, 2, 2]);
  });

  it('silence of 60 s closes a streak; a step after it still counts the difference only', () => {
    const streaks = new GiftStreaks();
    streaks.step(step(3), 0);
    streaks.sweep(STREAK_SILENCE_MS - 1);
    expect(streaks.openStreaks).toBe(1);
    streaks.sweep(STREAK_SILENCE_MS);
    expect(streaks.openStreaks).toBe(0);
    expect(streaks.step(step(5), STREAK_SILENCE_MS + 1_000)).toMatchObject({ count: 2, streakCount: 5, final: false });
  });

  it('a streak that fell silent without its end is known to the next holder, who counts the difference only', () => {
    const streaks = new GiftStreaks();
    streaks.step(step(3), 0);
    streaks.sweep(STREAK_SILENCE_MS);
    streaks.step(step(1, { groupId: '901' }), 3 * STREAK_SILENCE_MS);
    const next = new GiftStreaks();
    next.restore(streaks.save());
    next.sweep(3 * STREAK_SILENCE_MS);
    expect(next.openStreaks).toBe(1);
    expect(next.step(step(5), 3 * STREAK_SILENCE_MS)).toMatchObject({ count: 2, streakCount: 5, final: false });
  });

  it('without a group, a streak that ended or fell silent starts anew', () => {
    const streaks = new GiftStreaks();
    const nameless = { groupId: '0' };
    expect(streaks.step(step(2, nameless), 0).count).toBe(2);
    expect(streaks.step(end(3, nameless), 1_000)).toMatchObject({ count: 1, final: true });
    expect(streaks.step(step(2, nameless), 2_000)).toMatchObject({ count: 2, final: false });
    expect(streaks.step(step(1, nameless), 2_000 + STREAK_SILENCE_MS)).toMatchObject({ count: 1, streakCount: 1 });
  });

  it('stays bounded, and then forgets the streak that was silent longest', () => {
    const streaks = new GiftStreaks();
    for (let n = 0; n < 5_000; n++) streaks.step(step(1, { groupId: String(n + 1) }), n);
    expect(streaks.openStreaks).toBe(1_024);
    expect(streaks.step(step(2, { groupId: '5000' }), 5_000).count).toBe(1);
    expect(streaks.step(step(2, { groupId: '1' }), 5_000).count).toBe(2);
  });

  it('forgets closed streaks after ten minutes', () => {
    const streaks = new GiftStreaks();
    streaks.step(end(5), 0);
    streaks.sweep(599_999);
    expect(streaks.step(end(5), 599_999).count).toBe(0);
    streaks.sweep(2_000_000);
    expect(streaks.step(end(5), 2_000_000).count).toBe(5);
  });

  it('sums to the highest step of each streak, whatever the order, duplicates, losses and changes of holder', () => {
    const next = random(7);
    for (let round = 0; round < 200; round++) {
      const highest = new Map<string, number>();
      const steps: GiftStep[] = [];
      for (let streak = 0; streak < 8; streak++) {
        const groupId = String(1_000 + streak);
        const length = 1 + Math.floor(next() * 12);
        for (let n = 1; n <= length; n++) if (next() < 0.8) steps.push(step(n, { groupId }));
        if (next() < 0.7) steps.push(end(length, { groupId }));
      }
      steps.sort(() => next() - 0.5);
      const shuffled = steps.flatMap((one) => (next() < 0.3 ? [one, one] : [one]));
      let streaks = new GiftStreaks();
      let sum = 0;
      shuffled.forEach((one, n) => {
        highest.set(one.groupId, Math.max(highest.get(one.groupId) ?? 0, one.repeatCount));
        sum += streaks.step(one, n * 100).count;
        if (next() < 0.1) streaks.sweep(n * 100);
        if (next() < 0.1) {
          const next = new GiftStreaks();
          next.restore(streaks.save());
          streaks = next;
        }
      });
      expect(sum).toBe([...highest.values()].reduce((a, b) => a + b, 0));
    }
  });
});
