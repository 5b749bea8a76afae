import { describe, expect, it, jest } from '@jest/globals';
import { BackPressure } from './back-pressure.js';

class Socket {
  isPaused = false;
  pause(): void {
    this.isPaused = true;
  }
  resume(): void {
    this.isPaused = false;
  }
}

const make = () => new BackPressure({ pauseMsMax: 10_000, logger: { warn: () => undefined, info: () => undefined } });

describe('back-pressure', () => {
  it('pauses every socket while memory is short, also those that open meanwhile', () => {
    const pressure = make();
    const [one, two, gone] = [new Socket(), new Socket(), new Socket()];
    pressure.add(one);
    pressure.add(gone);
    pressure.remove(gone);
    pressure.setMemoryShort(true);
    pressure.add(two);
    expect([one.isPaused, two.isPaused, gone.isPaused]).toEqual([true, true, false]);
    pressure.setMemoryShort(false);
    expect([one.isPaused, two.isPaused]).toEqual([false, false]);
    expect(pressure.counts).toEqual({ pauses: 1, exhausted: 0 });
  });

  it('reads again after the longest pause, and pauses again only after memory was free', () => {
    jest.useFakeTimers();
    try {
      const pressure = make();
      const socket = new Socket();
      pressure.add(socket);
      pressure.setMemoryShort(true);
      jest.advanceTimersByTime(9_999);
      expect(socket.isPaused).toBe(true);
      jest.advanceTimersByTime(1);
      expect(socket.isPaused).toBe(false);
      expect(pressure.counts).toEqual({ pauses: 1, exhausted: 1 });
      expect(pressure.pausedMs).toBe(10_000);
      pressure.setMemoryShort(false);
      pressure.setMemoryShort(true);
      expect(socket.isPaused).toBe(true);
      pressure.stop();
      expect(socket.isPaused).toBe(false);
      jest.advanceTimersByTime(20_000);
      expect(pressure.counts).toEqual({ pauses: 2, exhausted: 1 });
    } finally {
      jest.useRealTimers();
    }
  });
});
