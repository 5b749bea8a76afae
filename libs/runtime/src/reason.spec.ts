import { describe, expect, it } from '@jest/globals';
import { reasonOf } from './reason.js';

describe('the reason of an error', () => {
  it('is its message, with the code or the message of its cause', () => {
    expect(reasonOf(new Error('no'))).toBe('no');
    expect(reasonOf(new TypeError('fetch failed', { cause: Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }) }))).toBe(
      'fetch failed: ECONNREFUSED',
    );
    expect(reasonOf(new Error('not stored', { cause: new Error('full') }))).toBe('not stored: full');
  });

  it('is never empty, whatever was thrown', () => {
    expect(reasonOf(new AggregateError([new Error('connect ECONNREFUSED')]))).toBe('connect ECONNREFUSED');
    expect(reasonOf(new RangeError(''))).toBe('RangeError');
    expect([reasonOf('text'), reasonOf(undefined)]).toEqual(['text', 'undefined']);
  });
});
