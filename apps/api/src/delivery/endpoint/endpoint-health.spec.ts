import { describe, expect, it } from '@jest/globals';
import { AdaptiveConcurrency } from './endpoint-health.js';

describe('adaptive concurrency', () => {
  it('falls to one request while an endpoint fails, and rises again as it succeeds', () => {
    const concurrency = new AdaptiveConcurrency(64);
    for (let i = 0; i < 10; i++) concurrency.failed();
    expect(concurrency.limit).toBe(1);
    for (let i = 0; i < 100; i++) concurrency.succeeded();
    expect(concurrency.limit).toBe(64);
  });
});
