import { describe, expect, it } from '@jest/globals';
import { Ending, orAborted } from './ending.js';

const forever = new Promise<string>(() => undefined);

describe('Ending', () => {
  it('ends the waiting of everybody at once, and of whoever comes later', async () => {
    const ending = new Ending();
    const waiting = [ending.orElse(forever, () => 'ended'), ending.orElse(forever, () => 'ended')];
    ending.end();
    ending.end();
    expect(await Promise.all([...waiting, ending.orElse(forever, () => 'ended')])).toEqual(['ended', 'ended', 'ended']);
  });

  it('keeps nothing of work that is done, however often it is waited for', async () => {
    const ending = new Ending();
    for (let i = 0; i < 100; i++) expect(await ending.orElse(Promise.resolve('done'), () => 'ended')).toBe('done');
    await expect(ending.orElse(Promise.reject(new Error('failed')), () => 'ended')).rejects.toThrow('failed');
    expect((ending as unknown as { listeners: Set<unknown> }).listeners.size).toBe(0);
  });

  it('does the same for an abort, before and after it', async () => {
    const controller = new AbortController();
    const waiting = orAborted(forever, controller.signal, () => 'aborted');
    controller.abort();
    expect(await waiting).toBe('aborted');
    expect(await orAborted(forever, controller.signal, () => 'aborted')).toBe('aborted');
  });
});
