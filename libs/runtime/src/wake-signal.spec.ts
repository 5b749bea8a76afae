import { describe, expect, it } from '@jest/globals';
import { WakeSignal } from './wake-signal.js';

const never = (): AbortSignal => new AbortController().signal;

/** Sleeps that end at once, and their lengths. */
function recorded() {
  const sleptMs: number[] = [];
  const sleep = (ms: number, signal: AbortSignal) => {
    sleptMs.push(ms);
    return Promise.resolve(!signal.aborted);
  };
  return { sleptMs, sleep };
}

describe('WakeSignal', () => {
  it('ends a wait at a notification', async () => {
    const signal = new WakeSignal();
    const wait = signal.wait(3_600_000, never());
    signal.notify();
    await wait;
  });

  it('ends a wait when its signal aborts, and does not wait at all for one that has', async () => {
    const signal = new WakeSignal();
    const abort = new AbortController();
    const wait = signal.wait(3_600_000, abort.signal);
    abort.abort();
    await wait;
    await signal.wait(3_600_000, abort.signal);
  });

  it('keeps a notification for the next wait, and for that one alone', async () => {
    const { sleptMs, sleep } = recorded();
    const signal = new WakeSignal({ sleep });
    signal.notify();
    signal.notify();
    await signal.wait(500, never());
    expect(sleptMs).toEqual([]);
    await signal.wait(500, never());
    expect(sleptMs).toEqual([500]);
  });

  it('lets its loop rest between two runs, however often it is notified', async () => {
    const { sleptMs, sleep } = recorded();
    const signal = new WakeSignal({ sleep, restMs: 10 });
    for (let n = 0; n < 3; n += 1) {
      signal.notify();
      await signal.wait(500, never());
    }
    expect(sleptMs).toEqual([10, 10, 10]);
    await signal.wait(500, never());
    expect(sleptMs.slice(3)).toEqual([10, 490]);
  });
});
