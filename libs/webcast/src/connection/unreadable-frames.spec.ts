import { describe, expect, it } from '@jest/globals';
import { UnreadableFrames } from './unreadable-frames.js';

describe('UnreadableFrames', () => {
  it('are too many when they come in a row, and remember the last message before them', () => {
    const frames = new UnreadableFrames(3);
    expect(frames.since).toBeUndefined();
    expect([frames.unread(100), frames.unread(100), frames.unread(100)]).toEqual([false, false, true]);
    expect(frames.since).toBe(100);
  });

  it('are too many when every second one is, and those between do not move the beginning', () => {
    const frames = new UnreadableFrames(8);
    let n = 0;
    while (!frames.unread(100 + n)) {
      frames.read();
      n += 1;
    }
    expect(n).toBeLessThan(16);
    expect(frames.since).toBe(100);
  });

  it('are forgotten when enough others were read', () => {
    const frames = new UnreadableFrames(3);
    for (let n = 0; n < 100; n++) {
      expect(frames.unread(n)).toBe(false);
      for (let m = 0; m < 8; m++) frames.read();
      expect(frames.since).toBeUndefined();
    }
  });
});
