import { describe, expect, it } from '@jest/globals';
import { PipelineLag, type PipelineTotals } from './pipeline-lag.js';

const zero: PipelineTotals = { received: 0, undecodable: 0, turnedAway: 0, taken: 0, appended: 0, confirmed: 0 };

/** Samples once a second from 0 on, and reports at the end. */
function after(seconds: number, stages: (second: number) => Partial<PipelineTotals>): ReturnType<PipelineLag['report']> {
  const lag = new PipelineLag();
  for (let second = 0; second <= seconds; second += 1) lag.sample({ ...zero, ...stages(second) }, second * 1000);
  return lag.report(seconds * 1000);
}

describe('PipelineLag', () => {
  it('is nothing while each stage follows the one before, however far behind in numbers', () => {
    const flow = (s: number) => ({
      received: s * 9_000,
      undecodable: s * 10,
      taken: s * 8_000,
      appended: s * 8_000 - 4_000,
      confirmed: Math.max(0, s - 30) * 8_000,
    });
    expect(after(600, flow)).toEqual({});
  });

  it('names events that are not appended for 15 s', () => {
    const flow = (s: number) => ({ received: s * 10, taken: s * 10, appended: Math.min(s, 5) * 10, confirmed: Math.min(s, 5) * 10 });
    expect(after(20, flow)).toEqual({});
    expect(after(22, flow)).toEqual({
      inbox: 'events are received (220 messages, 220 events) but not appended (50 events) for 16 s',
    });
  });

  it('names events that the store does not confirm for a minute', () => {
    const flow = (s: number) => ({ received: s * 10, taken: s * 10, appended: s * 10, confirmed: Math.min(s, 5) * 10 });
    expect(after(65, flow)).toEqual({});
    expect(after(67, flow)).toEqual({ store: '620 events are appended but not confirmed by the store for 61 s' });
  });

  it('does not take a store that is slow, but moves, for one that stands still', () => {
    expect(after(600, (s) => ({ taken: s * 100, appended: s * 100, confirmed: Math.max(0, s - 50) * 100 }))).toEqual({});
  });

  it('names messages that cannot be decoded when there are many', () => {
    const flow = (s: number) => ({ received: s * 100, undecodable: s * 10, taken: 0 });
    expect(after(15, flow).decode).toBe('of 1500 messages received within 15 s, 150 could not be decoded');
    expect(after(15, (s) => ({ received: s * 100, undecodable: s }))).toEqual({});
  });

  it('names events that memory does not take, until none was turned away for a while', () => {
    const flow = (s: number) => ({ turnedAway: Math.min(s, 5) * 7 });
    expect(after(5, flow).memory).toBe('35 events decoded within 15 s were not taken: memory is full');
    expect(after(21, flow)).toEqual({});
  });
});
