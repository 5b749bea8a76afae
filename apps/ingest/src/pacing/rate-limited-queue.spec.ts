import { describe, expect, it } from '@jest/globals';
import { ManualClock, settle } from '../testing/fakes.js';
import { RateLimitedQueue, type Ticket } from './rate-limited-queue.js';

const never = (): AbortSignal => new AbortController().signal;

describe('RateLimitedQueue', () => {
  it('starts no more entries in any window than allowed, however many wait', async () => {
    const clock = new ManualClock();
    const queue = new RateLimitedQueue({ perWindowMax: 5, windowMs: 60_000, runningMax: 100, clock });
    const starts: number[] = [];
    for (let n = 0; n < 40; n += 1) {
      const ticket = queue.enqueue(false, never());
      void ticket.started.then(() => (starts.push(clock.now()), ticket.release()));
      if (n % 3 === 0) await clock.advance(700);
    }
    await clock.advance(600_000);
    expect(starts).toHaveLength(40);
    for (const at of starts) expect(starts.filter((other) => other >= at && other < at + 60_000).length).toBeLessThanOrEqual(5);
  });

  it('starts urgent entries first, each kind in the order of arrival', async () => {
    const clock = new ManualClock();
    const queue = new RateLimitedQueue({ perWindowMax: 100, windowMs: 60_000, runningMax: 1, clock });
    const order: string[] = [];
    const enqueue = (name: string, urgent: boolean): Ticket => {
      const ticket = queue.enqueue(urgent, never());
      void ticket.started.then(() => order.push(name));
      return ticket;
    };
    const tickets = [enqueue('first', false), enqueue('n1', false), enqueue('u1', true), enqueue('n2', false), enqueue('u2', true)];
    await settle();
    for (const name of ['first', 'u1', 'u2', 'n1', 'n2']) {
      expect(order.at(-1)).toBe(name);
      tickets[['first', 'n1', 'u1', 'n2', 'u2'].indexOf(name)]?.release();
      await settle();
    }
  });

  it('shows each entry its place and when it will start', async () => {
    const clock = new ManualClock();
    const queue = new RateLimitedQueue({ perWindowMax: 2, windowMs: 60_000, runningMax: 100, clock });
    const tickets = Array.from({ length: 7 }, () => queue.enqueue(false, never()));
    const startedAt = tickets.map(() => 0);
    tickets.forEach((ticket, at) => void ticket.started.then(() => (startedAt[at] = clock.now())));
    await settle();
    queue.renumber();
    expect(tickets.map((ticket) => ticket.place())).toEqual([0, 0, 1, 2, 3, 4, 5]);
    const expected = tickets.map((ticket) => clock.now() + ticket.waitMs());
    await clock.advance(600_000);
    startedAt.forEach((at, n) => expect(Math.abs(at - expected[n]!)).toBeLessThan(100));
  });

  it('drops an entry whose signal aborts, and never starts it', async () => {
    const clock = new ManualClock();
    const queue = new RateLimitedQueue({ perWindowMax: 100, windowMs: 1_000, runningMax: 1, clock });
    const first = queue.enqueue(false, never());
    const controller = new AbortController();
    const second = queue.enqueue(false, controller.signal);
    const third = queue.enqueue(false, never());
    controller.abort();
    expect(await second.started).toBe(false);
    first.release();
    expect(await third.started).toBe(true);
    expect(queue.waiting).toBe(0);
  });

  it('starts nothing, not even an urgent entry, while it is held', async () => {
    const clock = new ManualClock();
    const queue = new RateLimitedQueue({ perWindowMax: 100, windowMs: 1_000, runningMax: 10, clock });
    queue.holdUntil(clock.now() + 30_000);
    let hasStarted = false;
    void queue.enqueue(true, never()).started.then(() => (hasStarted = true));
    await clock.advance(29_000);
    expect(hasStarted).toBe(false);
    await clock.advance(2_000);
    expect(hasStarted).toBe(true);
  });
});
