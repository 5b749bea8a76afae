import { beforeEach, describe, expect, it } from '@jest/globals';
import type { KeyRecord } from '@tributary/runtime';
import { KeyCache } from './key-cache.js';

const RECORD: KeyRecord = { id: 'key_1', name: 'one', scopes: ['sign'] };

describe('KeyCache', () => {
  let now: number;
  let lookups: number;
  let answer: KeyRecord | undefined | 'unknown';
  let cache: KeyCache;

  beforeEach(() => {
    now = 0;
    lookups = 0;
    answer = RECORD;
    const lookup = () => {
      lookups += 1;
      return Promise.resolve(answer);
    };
    cache = new KeyCache(lookup, () => now);
  });

  it('asks Redis for a key once in ten seconds', async () => {
    for (let i = 0; i < 5; i++) expect(await cache.find('a')).toBe(RECORD);
    expect(lookups).toBe(1);
    now = 11_000;
    await cache.find('a');
    expect(lookups).toBe(2);
  });

  it('lets known keys in for ten minutes while Redis is away or its projection is rebuilt, and no unknown key', async () => {
    await cache.find('a');
    answer = 'unknown';
    now = 300_000;
    expect(await cache.find('a')).toBe(RECORD);
    expect(await cache.find('b')).toBe('unknown');
    now = 700_000;
    expect(await cache.find('a')).toBe('unknown');
  });

  it('forgets a key that was revoked', async () => {
    await cache.find('a');
    answer = undefined;
    now = 11_000;
    expect(await cache.find('a')).toBeUndefined();
  });
});
