import { describe, expect, it, jest } from '@jest/globals';
import { dayOfEvent, messageEventId, monitorEventId, snowflakeTime, UNDATED } from './ids.js';

/** 2026-11-22T10:00:00Z in the upper half, as TikTok's ids have it. */
const SECONDS = 1_795_341_600;
const snowflake = (seconds: number) => ((BigInt(seconds) << 32n) | 77n).toString();
const NOW = SECONDS * 1_000;
const payload = Uint8Array.from([1, 2, 3]);

describe('ids of events', () => {
  it('a message is its room and message id', () => {
    expect(messageEventId('1', '2', 'WebcastChatMessage', payload)).toBe('1-2');
  });

  it('a message without an id is known by its method and content', () => {
    const id = messageEventId('1', '0', 'WebcastChatMessage', payload);
    expect(id).toMatch(/^1-h[0-9a-f]{16}$/);
    expect(messageEventId('1', '', 'WebcastChatMessage', payload)).toBe(id);
    expect(messageEventId('1', '0', 'WebcastLikeMessage', payload)).not.toBe(id);
    expect(messageEventId('1', '0', 'WebcastChatMessage', Uint8Array.from([1, 2, 4]))).not.toBe(id);
  });

  it('a snowflake holds its second; anything else holds none', () => {
    expect(snowflakeTime(snowflake(SECONDS))).toBe(NOW);
    expect(['', '12', 'abc', '-7540589352666090247', '1234567890'].map(snowflakeTime)).toEqual(Array(5).fill(undefined));
  });

  it('the day comes from the id alone: of a message, of one derived from it, of a nameless one by its room, of a monitor event by its fence', () => {
    const [room, message] = [snowflake(SECONDS - 86_400), snowflake(SECONDS)];
    expect(dayOfEvent(`${room}-${message}`)).toBe('2026-11-22');
    expect(dayOfEvent(`${room}-${message}-end`)).toBe('2026-11-22');
    expect(dayOfEvent(messageEventId(room, '0', 'X', payload))).toBe('2026-11-21');
    expect(dayOfEvent(monitorEventId('cr_1', String(NOW * 1_000), 3))).toBe('2026-11-22');
  });

  it('an id whose time is before 2016, after 2099 or absent has no day', () => {
    const of = (seconds: number) => dayOfEvent(`1-${snowflake(seconds)}`);
    expect([of(1_400_000_000), of(4_102_444_800), dayOfEvent('1-17'), dayOfEvent('nonsense')]).toEqual(Array(4).fill(UNDATED));
    expect([of(SECONDS + 90_000), of(4_102_444_799)]).toEqual(['2026-11-23', '2099-12-31']);
  });

  it('the day of an id is the same whatever clock asks', () => {
    const id = `1-${snowflake(SECONDS)}`;
    const clock = jest.useFakeTimers();
    const days = [Date.UTC(2020, 0, 1), Date.UTC(2026, 10, 22), Date.UTC(2031, 0, 1)].map((now) => {
      clock.setSystemTime(now);
      return dayOfEvent(id);
    });
    clock.useRealTimers();
    expect(new Set(days)).toEqual(new Set(['2026-11-22']));
  });
});
