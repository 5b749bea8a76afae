import { beforeEach, describe, expect, it } from '@jest/globals';
import type { KeyLookup, KeyRecord } from '@tributary/runtime';
import { KeyCache } from './key-cache.js';

const RECORD: KeyRecord = { id: 'key_1', name: 'one', scopes: ['sign'] };

describe('KeyCache', () => {
  let now: number;
  let lookups: number;
  let answer: KeyLookup | undefined;
  let cache: KeyCache;

  beforeEach(() => {
    now = 0;
    lookups = 0;
    answer = { version: '1', record: RECORD };
    const lookup = () => {
      lookups += 1;
      return Promise.resolve(answer);
    };
    cache = new KeyCache(lookup, () => now);
  });

  it('asks Redis once a second, for however many keys of one version', async () => {
    for (let i = 0; i < 5; i++) expect(await cache.findHash('a')).toBe(RECORD);
    await cache.findHash('b');
    expect(lookups).toBe(2);
    now = 1_000;
    expect(cache.peekHash('b')).toBeUndefined();
    await cache.findHash('a');
    expect(cache.peekHash('b')).toBe(RECORD);
    expect(lookups).toBe(3);
  });

  it('forgets what it knew of a version once any answer tells another', async () => {
    await cache.findHash('a');
    answer = { version: '2', record: undefined };
    await cache.findHash('made-up');
    expect(cache.peekHash('a')).toBeUndefined();
    expect(await cache.findHash('a')).toBeUndefined();
  });

  it('refuses a key that was revoked a second later at the latest', async () => {
    await cache.findHash('a');
    answer = { version: '2', record: undefined };
    now = 999;
    expect(await cache.findHash('a')).toBe(RECORD);
    now = 1_000;
    expect(await cache.findHash('a')).toBeUndefined();
  });

  it('counts the second from the question, not from an answer that came late', async () => {
    const slow = new KeyCache(
      () => {
        now += 700;
        return Promise.resolve(answer);
      },
      () => now,
    );
    await slow.findHash('a');
    now = 999;
    expect(slow.peekHash('a')).toBe(RECORD);
    now = 1_000;
    expect(slow.peekHash('a')).toBeUndefined();
  });

  it('lets known keys in for ten minutes while Redis is away or its projection is rebuilt, and no unknown key', async () => {
    await cache.findHash('a');
    for (const [at, gone] of [[300_000], [400_000, { version: null, record: undefined }]] as [number, KeyLookup?][]) {
      answer = gone;
      now = at;
      expect(await cache.findHash('a')).toBe(RECORD);
      expect(await cache.findHash('b')).toBe('unknown');
    }
    now = 600_000;
    expect(await cache.findHash('a')).toBe('unknown');
  });

  it('ends a key with its time, to the millisecond, whether Redis answers or not', async () => {
    const short = { ...RECORD, expiresAt: 500 };
    answer = { version: '1', record: short };
    expect(await cache.findHash('a')).toBe(short);
    now = 499;
    expect(cache.peekHash('a')).toBe(short);
    now = 500;
    expect(cache.peekHash('a')).toBeUndefined();
    expect(await cache.findHash('a')).toBeUndefined();
    answer = undefined;
    expect(await cache.findHash('a')).not.toBe(short);
  });

  it('ends a key that Redis last confirmed, with its time, while Redis is away', async () => {
    answer = { version: '1', record: { ...RECORD, expiresAt: 5_000 } };
    await cache.findHash('a');
    answer = undefined;
    now = 4_999;
    expect(await cache.findHash('a')).toMatchObject(RECORD);
    now = 5_000;
    expect(await cache.findHash('a')).toBeUndefined();
  });
});
