import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import { isGone, OWNER_SILENCE_MS, type OwnerMark, OwnerWatch, thisProcess } from './folder-owner.js';

const self = thisProcess();
const silent = OWNER_SILENCE_MS + 1;

describe('the owner of a spool', () => {
  it('is not gone while its process runs, however long it was silent', () => {
    expect(isGone(self, self, 1e9)).toBe(false);
  });

  it('is gone as soon as its process has ended', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => 0, 1000)']);
    await once(child, 'spawn');
    const running = { ...self, pid: child.pid!, startedAt: 'read below' };
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(isGone(running, self, 0)).toBe(true);
  });

  it('is gone when its process id is now that of another process: a container that was started again', () => {
    const predecessor: OwnerMark = { ...self, startedAt: '1' };
    expect(isGone(predecessor, self, 0)).toBe(true);
    const other: OwnerMark = { ...self, pid: process.ppid, startedAt: '1' };
    expect(isGone(other, self, 0)).toBe(true);
  });

  it('in another container is gone once its mark has not changed for a while', () => {
    const elsewhere: OwnerMark[] = [
      { ...self, host: 'another' },
      { ...self, pidSpace: 'pid:[1]' },
      { ...self, boot: 'another' },
    ];
    for (const owner of elsewhere) {
      expect(isGone(owner, self, OWNER_SILENCE_MS - 1)).toBe(false);
      expect(isGone(owner, self, silent)).toBe(true);
    }
  });
});

describe('how long an owner is silent', () => {
  it('is measured by this process alone, whatever time a mark shows', () => {
    const watch = new OwnerWatch(1_500);
    expect(watch.look('a', 'long ago', 1_000)).toBe(0);
    expect(watch.look('a', 'long ago', 2_000)).toBe(1_000);
    expect(watch.look('a', 'longer ago', 3_000)).toBe(0);
    expect(watch.look('a', 'longer ago', 4_000)).toBe(1_000);
  });

  it('does not include time in which this process was stopped itself', () => {
    const watch = new OwnerWatch(1_500);
    watch.look('a', 'same', 0);
    expect(watch.look('a', 'same', 60_000)).toBe(1_500);
  });

  it('starts again for a folder that was gone', () => {
    const watch = new OwnerWatch(1_500);
    watch.look('a', 'same', 0);
    watch.keep(['b']);
    expect(watch.look('a', 'same', 1_000)).toBe(0);
  });
});
