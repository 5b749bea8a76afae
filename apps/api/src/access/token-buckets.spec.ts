import { describe, expect, it } from '@jest/globals';
import { TokenBuckets } from './token-buckets.js';

describe('TokenBuckets', () => {
  it('allows the whole share at once, then refuses and says how long to wait', () => {
    const buckets = new TokenBuckets(60);
    for (let i = 0; i < 60; i++) expect(buckets.take('a', 1_000)).toMatchObject({ allowed: true, remaining: 59 - i });
    expect(buckets.take('a', 1_000)).toMatchObject({ allowed: false, remaining: 0, retrySeconds: 1, resetSeconds: 60 });
  });

  it('gives tokens back evenly and never more than the share', () => {
    const buckets = new TokenBuckets(60);
    for (let i = 0; i < 60; i++) buckets.take('a', 0);
    expect(buckets.take('a', 999).allowed).toBe(false);
    expect(buckets.take('a', 1_000).allowed).toBe(true);
    expect(buckets.take('a', 1_000).allowed).toBe(false);
    expect(buckets.take('a', 10_000_000).remaining).toBe(59);
  });

  it('keeps one key from spending the share of another', () => {
    const buckets = new TokenBuckets(1);
    buckets.take('a', 0);
    expect(buckets.take('a', 0).allowed).toBe(false);
    expect(buckets.take('b', 0).allowed).toBe(true);
  });

  it('survives a clock that is set back', () => {
    const buckets = new TokenBuckets(60);
    buckets.take('a', 1_000_000);
    expect(buckets.take('a', 0)).toMatchObject({ allowed: true, remaining: 58 });
  });

  it('forgets buckets that are full again', () => {
    const buckets = new TokenBuckets(60);
    for (let i = 0; i < 9_999; i++) buckets.take(`key-${i}`, 0);
    buckets.take('last', 60_001);
    expect(buckets.size).toBe(1);
  });
});
