import { describe, expect, it } from '@jest/globals';
import { type OpenDelivery, OrderedLane, ParallelLane } from './lanes.js';
import { type Source, supply } from './sources.js';

let made = 0;
const deliveries = (count: number): OpenDelivery[] =>
  Array.from({ length: count }, () => ({ id: `d${++made}`, attempt: 0, nextAt: 0, since: 0, generation: 1 }));
const sourceOf = (lane: Source['lane']): Source => ({ name: 'live', lane, open: 4, ahead: { now: 4, min: 4, max: 16 } });

function takeAll(lane: Source['lane']): void {
  for (let delivery = lane.take(1); delivery; delivery = lane.take(1)) lane.done(delivery);
}

describe('what is cut ahead of the wire', () => {
  it('doubles while cuts come too late for it, up to a bound, and is small again after a pause', () => {
    const source = sourceOf(new ParallelLane());
    const sizes = [4, 3, 8, 16].map((count) => {
      takeAll(source.lane);
      supply(source, deliveries(count), 10);
      return source.ahead.now;
    });
    // Three are less than half of eight: there was not more to cut.
    expect(sizes).toEqual([8, 8, 16, 16]);
    supply(source, deliveries(1), 5_000);
    expect(source.ahead.now).toBe(4);
  });

  it('stays small where the wire has work left, or there is little to cut', () => {
    const busy = sourceOf(new ParallelLane());
    busy.lane.add(deliveries(1));
    supply(busy, deliveries(4), 10);
    expect(busy.ahead.now).toBe(4);
    const idle = sourceOf(new ParallelLane());
    supply(idle, deliveries(1), 10);
    expect(idle.ahead.now).toBe(4);
  });

  it('stays small for an ordered endpoint whose one request is under way', () => {
    const source = sourceOf(new OrderedLane());
    source.lane.add(deliveries(1));
    source.lane.take(1);
    supply(source, deliveries(4), 10);
    expect(source.ahead.now).toBe(4);
  });
});
