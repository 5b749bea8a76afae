/** Days whose partitions one statement may touch: each costs it about nine locks. */
export const WINDOW_DAYS_MAX = 8;

/** Numbers that no range holds are looked over, rather than begin a new window, while they are few. */
const HOLE_MAX = 16_384;

/** A part of the log, `from` < seq <= `until`, and the days in which all its events lie. */
export interface Window {
  from: number;
  until: number;
  days: string[];
}

/** Numbers `first` to `last` may lie in `day`. */
export interface Range {
  day: string;
  first: number;
  last: number;
}

/**
 * Cuts `from` < seq <= `until` into windows of few days, in the direction of `order`; many numbers that no range holds are
 * left out. `ranges` come in the same direction: by `first` ascending, or by `last` descending. A window has more than
 * {@link WINDOW_DAYS_MAX} days only where that many lie over each other from its first number on.
 */
export function cutWindows(
  ranges: readonly Range[],
  { from, until, order }: { from: number; until: number; order: 'asc' | 'desc' },
): Window[] {
  // Descending is ascending over negated numbers.
  const up = order === 'asc';
  const [low, high] = up ? [from + 1, until] : [-until, -(from + 1)];
  const windows: Window[] = [];
  let open: { day: string; last: number }[] = [];
  let start = low;
  const close = (last: number) => {
    const days = [...new Set(open.map(({ day }) => day))].sort();
    if (last >= start) windows.push(up ? { from: start - 1, until: last, days } : { from: -last - 1, until: -start, days });
  };
  for (const { day, ...bounds } of ranges) {
    const [first, last] = up ? [Math.max(bounds.first, low), bounds.last] : [Math.max(-bounds.last, low), -bounds.first];
    if (first > high) break;
    if (last < low) continue;
    const end = Math.max(-Infinity, ...open.map((range) => range.last));
    if (first - end > HOLE_MAX) {
      close(end);
      open = [];
      start = first;
    }
    const days = new Set(open.map((range) => range.day));
    if (!days.has(day) && days.size >= WINDOW_DAYS_MAX && first > start) {
      close(first - 1);
      open = open.filter((range) => range.last >= first);
      start = first;
    }
    const same = open.find((range) => range.day === day);
    if (same) same.last = Math.max(same.last, last);
    else open.push({ day, last });
  }
  close(Math.min(high, Math.max(-Infinity, ...open.map((range) => range.last))));
  return windows;
}
