import { describe, expect, it } from '@jest/globals';
import { type OpenDelivery, OrderedLane, ParallelLane } from './lanes.js';

const delivery = (id: string, nextAt = 0, attempt = 0): OpenDelivery => ({ id, attempt, nextAt, since: 0, generation: 1 });
const ids = (deliveries: readonly OpenDelivery[]) => deliveries.map(({ id }) => id);

describe('an ordered lane', () => {
  it('has one delivery on the wire, and the next only when that is done', () => {
    const lane = new OrderedLane();
    lane.add([delivery('a'), delivery('b')]);
    expect(lane.take(1)?.id).toBe('a');
    expect(lane.take(1)).toBeUndefined();
    lane.done();
    expect(lane.take(1)?.id).toBe('b');
  });

  it('lets nothing pass a delivery that waits for another attempt, and cuts nothing behind it', () => {
    const lane = new OrderedLane();
    lane.add([delivery('a'), delivery('b')]);
    const first = lane.take(1)!;
    first.attempt = 1;
    first.nextAt = 100;
    lane.again();
    expect([lane.take(99), lane.room(10), lane.stuck, lane.nextAt]).toEqual([undefined, 0, true, 100]);
    expect(lane.take(100)?.id).toBe('a');
  });

  it('keeps what is on the wire in front when its deliveries are read anew', () => {
    const lane = new OrderedLane();
    lane.add([delivery('a'), delivery('b')]);
    lane.take(1);
    lane.replace([delivery('b'), delivery('c')]);
    lane.done();
    expect(ids(lane.idle)).toEqual(['b', 'c']);
  });
});

describe('a parallel lane', () => {
  it('lets others pass one that waits, and takes it up when its time has come', () => {
    const lane = new ParallelLane();
    lane.add([delivery('a'), delivery('b'), delivery('c')]);
    const first = lane.take(1)!;
    first.nextAt = 50;
    lane.again(first);
    expect([lane.take(1)?.id, lane.take(1)?.id, lane.take(1)]).toEqual(['b', 'c', undefined]);
    expect(lane.nextAt).toBe(50);
    expect(lane.take(50)?.id).toBe('a');
  });

  it('makes as many ready as may be on the wire, by halves', () => {
    const lane = new ParallelLane();
    expect(lane.room(10)).toBe(10);
    lane.add(Array.from({ length: 10 }, (_, i) => delivery(String(i))));
    expect(lane.room(10)).toBe(0);
    for (let i = 0; i < 5; i++) lane.take(1);
    expect(lane.room(10)).toBe(5);
  });

  it('takes no new ones when too many wait for another attempt', () => {
    const lane = new ParallelLane(3);
    for (const id of ['a', 'b', 'c']) {
      lane.add([delivery(id)]);
      const taken = lane.take(1)!;
      taken.nextAt = 1_000;
      lane.again(taken);
    }
    expect([lane.stuck, lane.room(10)]).toEqual([true, 0]);
  });

  it('has no more open deliveries than its bound while some fail, whatever is ready or on the wire when more are cut', () => {
    const max = 100;
    const lane = new ParallelLane(max);
    let made = 0;
    const cut = () => lane.add(Array.from({ length: lane.room(40) }, () => delivery(String(made++))));
    cut();
    for (let turn = 0; turn < 1_000; turn++) {
      // Any order of answers and cuts: many are on the wire or ready while the last places are given.
      while (lane.sending < 10 && lane.ready(1)) lane.take(1);
      const [answered] = lane.onWire;
      if (answered) {
        answered.nextAt = 1_000;
        lane.again(answered);
      }
      if (turn % 3 === 0) cut();
      expect(lane.size).toBeLessThanOrEqual(max);
    }
    expect([lane.size, lane.stuck, lane.room(40)]).toEqual([max, true, 0]);
  });

  it('does not send again what is on the wire when its deliveries are read anew', () => {
    const lane = new ParallelLane();
    lane.add([delivery('a'), delivery('b')]);
    lane.take(1);
    lane.replace([delivery('a'), delivery('b'), delivery('c')]);
    expect(ids(lane.idle)).toEqual(['b', 'c']);
    expect(ids(lane.onWire)).toEqual(['a']);
  });
});
