import { describe, expect, it } from '@jest/globals';
import { Semaphore } from './semaphore.js';

const never = new AbortController().signal;

describe('Semaphore', () => {
  const taken = async (semaphore: Semaphore, signal = never) => {
    const permit = await semaphore.acquire(signal);
    if (typeof permit !== 'function') throw new Error(permit);
    return permit;
  };

  it('runs no more than it may, and hands permits on in order of arrival', async () => {
    const semaphore = new Semaphore({ concurrency: 2, queueMax: 10 });
    const [first, second] = [await taken(semaphore), await taken(semaphore)];
    const order: number[] = [];
    const waiting = [1, 2, 3].map(async (n) => {
      const release = await taken(semaphore);
      order.push(n);
      return release;
    });
    expect(semaphore.state).toEqual({ running: 2, waiting: 3, concurrency: 2 });
    first();
    first();
    (await waiting[0])?.();
    second();
    await Promise.all(waiting);
    expect(order).toEqual([1, 2, 3]);
    expect(semaphore.state).toMatchObject({ running: 2, waiting: 0 });
  });

  it('says so when its queue is full, and lets go of who no longer waits', async () => {
    const semaphore = new Semaphore({ concurrency: 1, queueMax: 1 });
    const release = await taken(semaphore);
    const leaving = new AbortController();
    const waiting = semaphore.acquire(leaving.signal);
    expect(await semaphore.acquire(never)).toBe('full');
    leaving.abort();
    expect(await waiting).toBe('aborted');
    expect(await semaphore.acquire(leaving.signal)).toBe('aborted');
    release();
    expect(semaphore.state).toMatchObject({ running: 0, waiting: 0 });
  });
});
