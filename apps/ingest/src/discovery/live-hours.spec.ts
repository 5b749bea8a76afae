import { describe, expect, it } from '@jest/globals';
import { pollFactor } from './live-detector.js';
import { LiveHours } from './live-hours.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const WEEK = 7 * DAY;
const AT = Date.UTC(2026, 10, 22, 20, 30);

describe('LiveHours', () => {
  it('are encoded in 70 characters, without loss', () => {
    const hours = new LiveHours();
    for (let at = AT - 3 * HOUR; at <= AT; at += HOUR) hours.mark(at);
    const text = hours.encode()!;
    expect(text.length).toBeLessThanOrEqual(72);
    const read = LiveHours.decode(text);
    expect(read.lastLiveAt).toBe(AT);
    const usual = (one: LiveHours) => Array.from({ length: 168 }, (_, n) => one.isUsual(AT + n * HOUR));
    expect(usual(read)).toEqual(usual(hours));
    expect(usual(read).filter(Boolean)).toHaveLength(6);
  });

  it('are those of three weeks: an hour without a broadcast is forgotten', () => {
    const hours = new LiveHours();
    hours.mark(AT);
    expect([1, 2, 3, 5].map((weeks) => hours.isUsual(AT + weeks * WEEK))).toEqual([true, true, false, false]);
  });

  it('are empty where the text cannot be read', () => {
    for (const text of [undefined, '', 'x', '1.2.short', `1.2.${'*'.repeat(56)}`]) {
      const hours = LiveHours.decode(text);
      expect({ text, last: hours.lastLiveAt, usual: hours.isUsual(AT), again: hours.encode() }).toEqual({
        text,
        last: undefined,
        usual: false,
        again: undefined,
      });
    }
  });

  it('double the polls where a creator is expected, and reduce them to an eighth after weeks offline', () => {
    const hours = new LiveHours();
    hours.mark(AT);
    const factor = (later: number, one = hours, changedAt = 0) => pollFactor(LiveHours.decode(one.encode()), changedAt, AT + later);
    expect([HOUR, 5 * HOUR, DAY + 4 * HOUR, WEEK - HOUR, WEEK + 12 * HOUR, 29 * DAY].map((later) => factor(later))).toEqual([
      0.5, 1, 2, 0.5, 4, 8,
    ]);
    // A creator that was just added or resumed is polled at the usual interval, even if it was never live.
    expect([HOUR, 2 * DAY, 30 * DAY].map((later) => factor(later, new LiveHours(), AT))).toEqual([1, 2, 8]);
  });
});
