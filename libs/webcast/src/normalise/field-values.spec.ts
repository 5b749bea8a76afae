import { describe, expect, it } from '@jest/globals';
import { count, epochMs, idIfAny, instant, storable } from './field-values.js';

describe('storable', () => {
  it('removes NUL and replaces lone surrogates, and leaves pairs alone', () => {
    expect(storable('a\0b\ud800c\udfffd😀')).toBe('ab\ufffdc\ufffdd😀');
  });
});

describe('epochMs', () => {
  it.each([
    [1_701_792_308, 1_701_792_308_000],
    ['1701792308701', 1_701_792_308_701],
    ['1701792308701123', 1_701_792_308_701],
    ['1701792308701123456', 1_701_792_308_701],
    ['0', undefined],
    ['-1', undefined],
    ['12', undefined],
    ['9223372036854775807', undefined],
    ['nonsense', undefined],
  ])('reads %s', (value, expected) => {
    expect(epochMs(value)).toBe(expected);
    expect(instant(value)).toBe(expected === undefined ? undefined : new Date(expected).toISOString());
  });
});

describe('count and idIfAny', () => {
  it('a count is never negative, broken or beyond what JSON can hold', () => {
    expect(['12', '-3', 'x', '9223372036854775807', 2.9, Number.NaN].map((value) => count(value))).toEqual([
      12,
      0,
      0,
      Number.MAX_SAFE_INTEGER,
      2,
      0,
    ]);
  });

  it('an id of 0 is none', () => {
    expect([idIfAny('0'), idIfAny(''), idIfAny(undefined), idIfAny('7')]).toEqual([undefined, undefined, undefined, '7']);
  });
});
