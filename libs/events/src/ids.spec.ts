import { describe, expect, it } from '@jest/globals';
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
    expect(dayOfEvent(`${room}-${message}`, NOW)).toBe('2026-11-22');
    expect(dayOfEvent(`${room}-${message}-end`, NOW)).toBe('2026-11-22');
    expect(dayOfEvent(messageEventId(room, '0', 'X', payload), NOW)).toBe('2026-11-21');
    expect(dayOfEvent(monitorEventId('cr_1', String(NOW * 1_000), 3), NOW)).toBe('2026-11-22');
  });

  it('an id whose time is before 2016, after tomorrow or absent has no day', () => {
    const of = (seconds: number) => dayOfEvent(`1-${snowflake(seconds)}`, NOW);
    expect([of(1_400_000_000), of(SECONDS + 90_000), dayOfEvent('1-17', NOW), dayOfEvent('nonsense', NOW)]).toEqual(Array(4).fill(UNDATED));
    expect(of(SECONDS + 80_000)).toBe('2026-11-23');
  });
});
