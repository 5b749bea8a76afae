import { describe, expect, it } from '@jest/globals';
import { hostileTexts, slowest } from '@tributary/testing';
import { bundleFault, cookiePairs, retryAfterMs } from './answer.js';

const HEADER_MAX = 65_536;
const BUNDLE_MAX = 4_194_304;
const NOW = Date.UTC(2026, 10, 22);
const DAY_MS = 86_400_000;
const headers = (fields: Record<string, string>) => ({ get: (name: string) => fields[name] ?? null });

describe('readers of what a signer answers', () => {
  it.each([
    ['cookies', (text: string) => cookiePairs(text), HEADER_MAX],
    ['Retry-After', (text: string) => retryAfterMs(headers({ 'retry-after': text })), HEADER_MAX],
    ['the reset of a limit', (text: string) => retryAfterMs(headers({ 'x-ratelimit-reset': text })), HEADER_MAX],
    ['a bundle', (text: string) => bundleFault(Buffer.from(text, 'latin1'), 'ttwid=1'), BUNDLE_MAX],
  ])('%s: the largest input takes a bounded time, whatever it repeats', (_what, read, lengthMax) => {
    const { text, cpuMs } = slowest(read, hostileTexts(lengthMax));
    expect({ text, isQuick: cpuMs < 2_000 }).toEqual({ text, isQuick: true });
  });

  it('nobody is kept away for more than a day by one answer', () => {
    expect(retryAfterMs(headers({ 'retry-after': '9'.repeat(50) }), NOW)).toBe(DAY_MS);
    expect(retryAfterMs(headers({ 'retry-after': 'Fri, 01 Jan 2100 00:00:00 GMT' }), NOW)).toBe(DAY_MS);
    expect(retryAfterMs(headers({ 'x-ratelimit-reset': '9999999999' }), NOW)).toBe(DAY_MS);
    expect(retryAfterMs(headers({ 'retry-after': ' 30 ' }), NOW)).toBe(30_000);
  });
});
