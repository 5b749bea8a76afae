import { describe, expect, it } from '@jest/globals';
import { ManualClock, settle } from '../testing/fakes.js';
import { type Ticket, TurnQueue } from './rate-limited-queue.js';

const never = (): AbortSignal => new AbortController().signal;

describe('TurnQueue', () => {
  it('gives no more turns in any window than allowed, however many ask', async () => {
    const clock = new ManualClock();
    const queue = new TurnQueue({ perWindowMax: 5, windowMs: 60_000, runningMax: 100, clock });
    const given: number[] = [];
    for (let n = 0; n < 40; n += 1) {
      const ticket = queue.enter(false, never());
      void ticket.turn.then(() => (given.push(clock.now()), ticket.done()));
      if (n % 3 === 0) await clock.advance(700);
    }
    await clock.advance(600_000);
    expect(given).toHaveLength(40);
    for (const at of given) expect(given.filter((other) => other >= at && other < at + 60_000).length).toBeLessThanOrEqual(5);
  });

  it('lets urgent ones go first, each kind in its order', async () => {
    const clock = new ManualClock();
    const queue = new TurnQueue({ perWindowMax: 100, windowMs: 60_000, runningMax: 1, clock });
    const order: string[] = [];
    const enter = (name: string, urgent: boolean): Ticket => {
      const ticket = queue.enter(urgent, never());
      void ticket.turn.then(() => order.push(name));
      return ticket;
    };
    const tickets = [enter('first', false), enter('n1', false), enter('u1', true), enter('n2', false), enter('u2', true)];
    await settle();
    for (const name of ['first', 'u1', 'u2', 'n1', 'n2']) {
      expect(order.at(-1)).toBe(name);
      tickets[['first', 'n1', 'u1', 'n2', 'u2'].indexOf(name)]?.done();
      await settle();
    }
  });

  it('tells each one its place and when its turn will come', async () => {
    const clock = new ManualClock();
    const queue = new TurnQueue({ perWindowMax: 2, windowMs: 60_000, runningMax: 100, clock });
    const tickets = Array.from({ length: 7 }, () => queue.enter(false, never()));
    const came = tickets.map(() => 0);
    tickets.forEach((ticket, at) => void ticket.turn.then(() => (came[at] = clock.now())));
    await settle();
    queue.count();
    expect(tickets.map((ticket) => ticket.place())).toEqual([0, 0, 1, 2, 3, 4, 5]);
    const expected = tickets.map((ticket) => clock.now() + ticket.waitMs());
    await clock.advance(600_000);
    came.forEach((at, n) => expect(Math.abs(at - expected[n]!)).toBeLessThan(100));
  });

  it('forgets one that gives up, and never() gives it a turn', async () => {
    const clock = new ManualClock();
    const queue = new TurnQueue({ perWindowMax: 100, windowMs: 1_000, runningMax: 1, clock });
    const first = queue.enter(false, never());
    const controller = new AbortController();
    const second = queue.enter(false, controller.signal);
    const third = queue.enter(false, never());
    controller.abort();
    expect(await second.turn).toBe(false);
    first.done();
    expect(await third.turn).toBe(true);
    expect(queue.waiting).toBe(0);
  });

  it('rests when it is told to', async () => {
    const clock = new ManualClock();
    const queue = new TurnQueue({ perWindowMax: 100, windowMs: 1_000, runningMax: 10, clock });
    queue.holdUntil(clock.now() + 30_000);
    let isGiven = false;
    void queue.enter(true, never()).turn.then(() => (isGiven = true));
    await clock.advance(29_000);
    expect(isGiven).toBe(false);
    await clock.advance(2_000);
    expect(isGiven).toBe(true);
  });
});
