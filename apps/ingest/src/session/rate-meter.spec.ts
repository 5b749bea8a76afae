import { describe, expect, it } from '@jest/globals';
import { RateMeter } from './rate-meter.js';

describe('RateMeter', () => {
  it('is the rate of the last minute, and forgets what is older', () => {
    const meter = new RateMeter(0);
    for (let second = 0; second < 120; second += 1) meter.add(4, second * 1_000);
    expect(meter.perSecond(119_999)).toBeCloseTo(4, 1);
    expect(meter.perSecond(600_000)).toBe(0);
    const young = new RateMeter(1_000);
    young.add(10, 2_000);
    expect(young.perSecond(6_000)).toBeCloseTo(2, 5);
  });
});
