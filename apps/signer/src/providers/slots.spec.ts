import { describe, expect, it } from '@jest/globals';
import { Slots } from './slots.js';

const never = new AbortController().signal;

describe('Slots', () => {
  const taken = async (slots: Slots, signal = never) => {
    const place = await slots.acquire(signal);
    if (typeof place !== 'function') throw new Error(place);
    return place;
  };

  it('runs no more than it may, and hands places on in order of arrival', async () => {
    const slots = new Slots({ concurrency: 2, queueMax: 10 });
    const [first, second] = [await taken(slots), await taken(slots)];
    const order: number[] = [];
    const waiting = [1, 2, 3].map(async (n) => {
      const release = await taken(slots);
      order.push(n);
      return release;
    });
    expect(slots.state).toEqual({ running: 2, waiting: 3, concurrency: 2 });
    first();
    first();
    (await waiting[0])?.();
    second();
    await Promise.all(waiting);
    expect(order).toEqual([1, 2, 3]);
    expect(slots.state).toMatchObject({ running: 2, waiting: 0 });
  });

  it('says so when its queue is full, and lets go of who no longer waits', async () => {
    const slots = new Slots({ concurrency: 1, queueMax: 1 });
    const release = await taken(slots);
    const leaving = new AbortController();
    const waiting = slots.acquire(leaving.signal);
    expect(await slots.acquire(never)).toBe('full');
    leaving.abort();
    expect(await waiting).toBe('gone');
    expect(await slots.acquire(leaving.signal)).toBe('gone');
    release();
    expect(slots.state).toMatchObject({ running: 0, waiting: 0 });
  });
});
