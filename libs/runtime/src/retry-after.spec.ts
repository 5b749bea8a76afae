import { describe, expect, it } from '@jest/globals';
import { hostileTexts, slowest } from '@tributary/testing';
import { readRetryAfter } from './retry-after.js';

const NOW = Date.parse('2026-11-22T10:00:00Z');
const DAY_MS = 86_400_000;
const read = (header: Parameters<typeof readRetryAfter>[0]) => readRetryAfter(header, NOW);

describe('Retry-After', () => {
  it('is seconds or a date of HTTP, and a date in the past means now', () => {
    expect(read('120')).toBe(120_000);
    expect(read(' 30 ')).toBe(30_000);
    expect(read(['5', '9'])).toBe(5_000);
    expect(read('Sun, 22 Nov 2026 10:01:00 GMT')).toBe(60_000);
    expect(read('Sun, 22 Nov 2026 09:00:00 GMT')).toBe(0);
  });

  it('is ignored when it is neither', () => {
    const others = [undefined, null, [], '', 'soon', '-5', '1.5', '2026-11-22'];
    expect(others.map(read)).toEqual(others.map(() => undefined));
  });

  it('keeps nobody away for more than a day', () => {
    expect(['99999999999', '9'.repeat(50), 'Fri, 01 Jan 2100 00:00:00 GMT'].map(read)).toEqual([DAY_MS, DAY_MS, DAY_MS]);
  });

  it('takes a bounded time for the largest header, whatever it repeats', () => {
    const { text, cpuMs } = slowest(read, hostileTexts(65_536));
    expect({ text, isQuick: cpuMs < 2_000 }).toEqual({ text, isQuick: true });
  });
});
