import { describe, expect, it } from '@jest/globals';
import { cutWindows, type Range, WINDOW_DAYS_MAX } from './windows.js';

const random = (() => {
  let state = 42;
  return (below: number) => (state = (state * 48_271) % 2_147_483_647) % below;
})();

describe('windows over the log', () => {
  it('cover every number of every range once, in order, with all its days, in both orders', () => {
    for (let round = 0; round < 60; round++) {
      const ranges = Array.from({ length: 1 + random(60) }, (_, i): Range => {
        const first = 1 + random(200_000);
        return { day: `day-${i % 20}`, first, last: first + random(round % 3 === 0 ? 200_000 : 9_000) };
      });
      const from = random(100_000);
      const until = from + random(150_000);
      for (const order of ['asc', 'desc'] as const) {
        const sorted = ranges.toSorted((a, b) => (order === 'asc' ? a.first - b.first : b.last - a.last));
        const windows = cutWindows(sorted, { from, until, order });
        const walked = order === 'asc' ? windows : windows.toReversed();
        for (const [i, window] of walked.entries()) {
          expect(window.from).toBeGreaterThanOrEqual(walked[i - 1]?.until ?? from);
          expect(window.until).toBeLessThanOrEqual(until);
        }
        for (const { day, first, last } of ranges) {
          for (const seq of [first, last, (first + last) >> 1].filter((n) => n > from && n <= until)) {
            const holding = windows.filter((window) => window.from < seq && seq <= window.until);
            if (holding.length !== 1 || !holding[0]?.days.includes(day)) throw new Error(`${day} ${seq} in ${JSON.stringify(holding)}`);
          }
        }
      }
    }
  });

  it('hold few days, however many there are, and leave out what no range holds', () => {
    const ranges = Array.from({ length: 1_095 }, (_, i): Range => ({ day: `day-${i}`, first: i * 1_000 + 1, last: i * 1_000 + 1_020 }));
    const windows = cutWindows(ranges, { from: 0, until: 2_000_000, order: 'asc' });
    expect(Math.max(...windows.map(({ days }) => days.length))).toBeLessThanOrEqual(WINDOW_DAYS_MAX);
    expect(windows.length).toBeLessThan(1_095 / 4);
    const far = cutWindows(
      [
        { day: 'a', first: 10, last: 20 },
        { day: 'b', first: 900_000, last: 900_010 },
      ],
      { from: 0, until: 950_000, order: 'asc' },
    );
    expect(far).toEqual([
      { from: 9, until: 20, days: ['a'] },
      { from: 899_999, until: 900_010, days: ['b'] },
    ]);
  });
});
