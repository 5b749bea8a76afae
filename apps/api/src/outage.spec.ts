import { describe, expect, it } from '@jest/globals';
import { isOutage } from './outage.js';

describe('isOutage', () => {
  it('takes a statement that ran out of time for an outage, and a wrong statement for a bug', () => {
    expect(isOutage(Object.assign(new Error('canceling statement due to statement timeout'), { code: '57014' }))).toBe(true);
    expect(isOutage(Object.assign(new Error('syntax error'), { code: '42601' }))).toBe(false);
  });
});
