import { describe, expect, it } from '@jest/globals';
import type { Delivery } from './delivery.js';
import { DeliveryQueue } from './queue.js';

const delivery = (id: string): Delivery => ({ id, state: 'planned', attempts: 0, nextAttemptAt: 0, since: 0, generation: 1 });
let made = 0;
const many = (count: number) => Array.from({ length: count }, () => delivery(`d${++made}`));
const ordered = () => new DeliveryQueue({ ordered: true, ahead: { min: 10, max: 10 } });
const parallel = (retryingMax?: number, ahead = { min: 10, max: 10 }) =>
  new DeliveryQueue({ ordered: false, ahead, ...(retryingMax === undefined ? {} : { retryingMax }) });
const ids = (deliveries: readonly Delivery[]) => deliveries.map(({ id }) => id);

describe('an ordered queue', () => {
  it('has one delivery on the wire, and the next only when that is done', () => {
    const queue = ordered();
    queue.add([delivery('a'), delivery('b')]);
    const first = queue.take(1)!;
    expect([first.id, first.state, queue.take(1)]).toEqual(['a', 'sending', undefined]);
    queue.remove(first);
    expect(queue.take(1)?.id).toBe('b');
  });

  it('lets nothing pass a delivery that waits for another attempt, and has no room behind it', () => {
    const queue = ordered();
    queue.add([delivery('a'), delivery('b')]);
    const first = queue.take(1)!;
    first.attempts = 1;
    first.nextAttemptAt = 100;
    queue.retry(first);
    expect([queue.take(99), queue.room, queue.isBlocked, queue.nextAttemptAt]).toEqual([undefined, 0, true, 100]);
    expect(queue.take(100)?.id).toBe('a');
  });

  it('keeps what is on the wire in front when its deliveries are read anew', () => {
    const queue = ordered();
    queue.add([delivery('a'), delivery('b')]);
    const sending = queue.take(1)!;
    queue.replace([delivery('a'), delivery('b'), delivery('c')]);
    queue.remove(sending);
    expect(ids(queue.waiting)).toEqual(['b', 'c']);
  });
});

describe('a parallel queue', () => {
  it('lets others pass one that waits, and takes it up when its time has come', () => {
    const queue = parallel();
    queue.add([delivery('a'), delivery('b'), delivery('c')]);
    const first = queue.take(1)!;
    first.nextAttemptAt = 50;
    queue.retry(first);
    expect([queue.take(1)?.id, queue.take(1)?.id, queue.take(1)]).toEqual(['b', 'c', undefined]);
    expect(queue.nextAttemptAt).toBe(50);
    expect(queue.take(50)?.id).toBe('a');
  });

  it('makes as many ready as may be on the wire, by halves', () => {
    const queue = parallel();
    expect(queue.room).toBe(10);
    queue.add(many(10));
    expect(queue.room).toBe(0);
    for (let i = 0; i < 5; i++) queue.take(1);
    expect(queue.room).toBe(5);
  });

  it('takes no new ones when too many wait for another attempt', () => {
    const queue = parallel(3);
    for (const id of ['a', 'b', 'c']) {
      queue.add([delivery(id)]);
      const taken = queue.take(1)!;
      taken.nextAttemptAt = 1_000;
      queue.retry(taken);
    }
    expect([queue.isBlocked, queue.room]).toEqual([true, 0]);
  });

  it('has no more open deliveries than its bound while some fail, whatever is ready or on the wire when more are planned', () => {
    const max = 100;
    const queue = parallel(max, { min: 40, max: 40 });
    const plan = () => queue.add(many(queue.room));
    plan();
    for (let turn = 0; turn < 1_000; turn++) {
      // Any order of answers and plans: many are on the wire or ready while the last places are given.
      while (queue.sending < 10 && queue.hasDue(1)) queue.take(1);
      const [answered] = queue.onWire;
      if (answered) {
        answered.nextAttemptAt = 1_000;
        queue.retry(answered);
      }
      if (turn % 3 === 0) plan();
      expect(queue.size).toBeLessThanOrEqual(max);
    }
    expect([queue.size, queue.isBlocked, queue.room]).toEqual([max, true, 0]);
  });

  it('does not send again what is on the wire when its deliveries are read anew', () => {
    const queue = parallel();
    queue.add([delivery('a'), delivery('b')]);
    queue.take(1);
    queue.replace([delivery('a'), delivery('b'), delivery('c')]);
    expect(ids(queue.waiting)).toEqual(['b', 'c']);
    expect(ids(queue.onWire)).toEqual(['a']);
  });
});

describe('what is planned ahead of the wire', () => {
  const ahead = { min: 4, max: 16 };
  const takeAll = (queue: DeliveryQueue) => {
    for (let taken = queue.take(1); taken; taken = queue.take(1)) queue.remove(taken);
  };

  it('doubles while plans come too late for the wire, up to a bound, and is small again after a pause', () => {
    const queue = parallel(undefined, ahead);
    queue.accept(many(0), 1_000);
    const rooms = [4, 3, 8, 16].map((count) => {
      queue.accept(many(count), 1_010);
      takeAll(queue);
      return queue.room;
    });
    // Three are less than half of eight: there was not more to plan.
    expect(rooms).toEqual([8, 8, 16, 16]);
    queue.accept(many(1), 6_000);
    takeAll(queue);
    expect(queue.room).toBe(4);
  });

  it('stays small where the wire has work left, or there is little to plan', () => {
    const busy = parallel(undefined, ahead);
    busy.accept(many(1), 1_000);
    busy.accept(many(4), 1_010);
    takeAll(busy);
    const idle = parallel(undefined, ahead);
    idle.accept(many(1), 1_000);
    takeAll(idle);
    idle.accept(many(1), 1_010);
    takeAll(idle);
    expect([busy.room, idle.room]).toEqual([4, 4]);
  });

  it('stays small for an ordered endpoint whose one request is under way', () => {
    const queue = new DeliveryQueue({ ordered: true, ahead });
    queue.accept(many(1), 1_000);
    const sending = queue.take(1)!;
    queue.accept(many(4), 1_010);
    queue.remove(sending);
    takeAll(queue);
    expect(queue.room).toBe(4);
  });
});
