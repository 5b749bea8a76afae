import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from '@jest/globals';
import { readLock, releaseLock, takeLock } from './lock.mjs';
import { processIdentity, stillRuns } from './servers/process-identity.mjs';

const folder = mkdtempSync(join(tmpdir(), 'tributary-lock-'));
const path = join(folder, 'lock');
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(() => rmSync(path, { force: true }));

const other = async () => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
  await once(child, 'spawn');
  return child;
};

describe('lock file', () => {
  it('is taken once, and says who has it and what they said', () => {
    expect(takeLock(path, { address: 'here' })).toBeUndefined();
    expect(takeLock(path)).toMatchObject({ pid: process.pid, address: 'here' });
    releaseLock(path);
    expect(readLock(path)).toBeUndefined();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('is taken over from a dead owner, and from one whose number another process has now', async () => {
    const child = await other();
    const identity = processIdentity(child.pid!);
    writeFileSync(path, JSON.stringify({ pid: child.pid, identity }));
    expect(takeLock(path)).toMatchObject({ pid: child.pid });
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(takeLock(path)).toBeUndefined();
    releaseLock(path);

    writeFileSync(path, JSON.stringify({ pid: process.ppid, identity: 'an earlier boot' }));
    expect(takeLock(path)).toBeUndefined();
    expect(readLock(path)?.pid).toBe(process.pid);
  });

  it('is taken over when it is damaged, and released by its owner alone', () => {
    writeFileSync(path, '{');
    expect(takeLock(path)).toBeUndefined();
    writeFileSync(path, JSON.stringify({ pid: 1, identity: 'x' }));
    releaseLock(path);
    expect(readLock(path)?.pid).toBe(1);
  });
});

describe('process identity', () => {
  it('stays while the process lives and is gone after it', async () => {
    const child = await other();
    const record = { pid: child.pid!, identity: processIdentity(child.pid!)! };
    expect(stillRuns(record)).toBe(true);
    child.kill('SIGSTOP');
    expect(stillRuns(record)).toBe(true);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(stillRuns(record)).toBe(false);
  });
});
