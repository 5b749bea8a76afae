import { describe, expect, it } from '@jest/globals';
import { waitFor } from '@tributary/testing';
import { startLoop } from './loop.js';

describe('startLoop', () => {
  const log = () => {
    const lines: string[] = [];
    const say = (_: object, message: string) => lines.push(message);
    return {
      lines,
      logger: { trace: say, debug: say, info: say, warn: say, error: say } as unknown as Parameters<typeof startLoop>[0]['logger'],
    };
  };

  it('runs at once, again when woken, and never twice at a time', async () => {
    let running = 0;
    let most = 0;
    let runs = 0;
    const loop = startLoop({ name: 'x', everyMs: 60_000, logger: log().logger }, async () => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      runs += 1;
    });
    await waitFor(() => runs === 1);
    loop.wake();
    loop.wake();
    await waitFor(() => runs >= 2);
    loop.wake();
    await waitFor(() => runs >= 3);
    await loop.stop();
    expect(most).toBe(1);
  });

  it('is not lost when it is woken while it runs', async () => {
    let runs = 0;
    const loop = startLoop({ name: 'x', everyMs: 60_000, logger: log().logger }, () => {
      if (++runs === 1) loop.wake();
      return new Promise((resolve) => setImmediate(resolve));
    });
    await waitFor(() => runs === 2);
    await loop.stop();
  });

  it('says the first failure and the recovery, and nothing in between', async () => {
    const { lines, logger } = log();
    let runs = 0;
    const loop = startLoop({ name: 'x', everyMs: 60_000, logger }, async () => {
      if (++runs <= 3) throw new Error('away');
      await Promise.resolve();
    });
    await waitFor(() => lines.length === 2);
    await loop.stop();
    expect(lines).toEqual(['failed; trying again', 'works again']);
  });

  it('ends while it waits, and after the run under way', async () => {
    let done = false;
    const loop = startLoop({ name: 'x', everyMs: 60_000, logger: log().logger }, async (signal) => {
      await waitFor(() => signal.aborted);
      done = true;
    });
    await loop.stop();
    expect(done).toBe(true);
  });
});
