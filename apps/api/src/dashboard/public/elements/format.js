/** Numbers, times and durations as text. */

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
const oneDigit = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false });
const dayClock = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', hour12: false });

/**
 * 1,234 up to five digits, then 12.3K.
 * @param {number | null | undefined} value
 */
export const count = (value) => (value === null || value === undefined ? '–' : value < 100_000 ? whole.format(value) : compact.format(value));

/** @param {number} value */
export const decimal = (value) => (value >= 100 ? count(value) : oneDigit.format(value));

/** `1 event`, `2 events`. @param {number} n @param {string} one @param {string} many */
export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

/** @param {string | number} time an ISO text, or ms since 1970 */
export const timeOf = (time) => clock.format(new Date(time));

/** @param {string | number} time an ISO text, or ms since 1970 */
export const dateOf = (time) => dayClock.format(new Date(time));

/** A duration in its largest unit, for places with little room. @param {number} ms */
export function brief(ms) {
  const minutes = Math.floor(ms / 60_000);
  return minutes < 1 ? `${Math.round(ms / 1000)} s` : minutes < 60 ? `${minutes} min` : minutes < 2_880 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 1_440)} days`;
}

/** A duration in its two largest units. @param {number} ms */
export function duration(ms) {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min${seconds % 60 ? ` ${seconds % 60} s` : ''}`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} days`;
}

/** @param {number} value */
export function bytes(value) {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  const power = value > 0 ? Math.min(units.length - 1, Math.floor(Math.log(value) / Math.log(1024))) : 0;
  return `${oneDigit.format(value / 1024 ** power)} ${units[power]}`;
}
