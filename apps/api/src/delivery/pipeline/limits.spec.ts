import { describe, expect, it } from '@jest/globals';
import { FairSemaphore, TokenBucket } from './limits.js';

describe('a token bucket', () => {
  it('gives no more than its rate over any time, after a second of them at once', () => {
    const bucket = new TokenBucket(5, 0);
    let taken = 0;
    for (let ms = 0; ms <= 10_000; ms += 10) if (bucket.take(ms).taken) taken += 1;
    expect(taken).toBe(55);
  });

  it('says when the next token comes, for rates below one a second too', () => {
    const bucket = new TokenBucket(0.1, 0);
    expect(bucket.take(0)).toEqual({ taken: true });
    expect(bucket.take(0)).toEqual({ taken: false, waitMs: 10_000 });
    expect(bucket.take(10_000)).toEqual({ taken: true });
  });
});

describe('a token bucket that another process may have emptied', () => {
  it('gives no more than its rate from then on, and is full again after as long as it takes to fill', () => {
    const takenAt = (ms: number, emptyAt: number) => {
      const bucket = new TokenBucket(5, ms, emptyAt);
      return Array.from({ length: 10 }, () => bucket.take(ms)).filter(({ taken }) => taken).length;
    };
    expect([10_000, 10_199, 10_200, 10_600, 11_000, 60_000].map((ms) => takenAt(ms, 10_000))).toEqual([0, 0, 1, 3, 5, 5]);
    // A clock that was set back.
    expect(takenAt(9_000, 10_000)).toBe(0);
    expect(takenAt(10_000, -Infinity)).toBe(5);
  });
});

describe('the fair semaphore of all requests', () => {
  it('keeps places for a quick endpoint however many slow ones there are', () => {
    const semaphore = new FairSemaphore(100);
    const slow = Array.from({ length: 20 }, () => ({}));
    for (let i = 0; i < 50; i++) for (const who of slow) semaphore.tryAcquire(who, () => undefined);
    expect(semaphore.inUse).toBeLessThan(100);
    expect(semaphore.tryAcquire({}, () => undefined)).toBe(true);
  });

  it('calls those that wait in their turn, each once, when places come free', () => {
    const semaphore = new FairSemaphore(2);
    const [a, b, c] = [{}, {}, {}];
    const called: string[] = [];
    semaphore.tryAcquire(a, () => undefined);
    semaphore.tryAcquire(b, () => undefined);
    const wait = (who: object, name: string) =>
      semaphore.tryAcquire(who, () => called.push(`${name} ${semaphore.tryAcquire(who, () => undefined)}`));
    expect([wait(c, 'c'), wait(c, 'c'), wait({}, 'd')]).toEqual([false, false, false]);
    semaphore.release(a);
    expect(called).toEqual(['c true']);
    semaphore.release(b);
    expect(called).toEqual(['c true', 'd true']);
    expect([semaphore.inUse, semaphore.waiting]).toEqual([2, 0]);
  });

  it('has never more in use than there are places', () => {
    const semaphore = new FairSemaphore(7);
    const holders: object[] = [];
    const callers = Array.from({ length: 30 }, () => ({}));
    const enter = (who: object): void => {
      if (semaphore.tryAcquire(who, () => enter(who))) holders.push(who);
    };
    for (let round = 0; round < 200; round++) {
      enter(callers[round % callers.length]!);
      if (round % 3 === 0 && holders.length > 0) semaphore.release(holders.shift()!);
      expect(semaphore.inUse).toBeLessThanOrEqual(7);
      expect(semaphore.inUse).toBe(holders.length);
    }
  });
});
