import { describe, expect, it } from '@jest/globals';
import { GroupCommit } from './group-commit.js';
import { waitFor } from '@tributary/testing';
import { silent } from '../testing.js';

const make = (commit: (group: readonly number[]) => Promise<void>, more = {}) =>
  new GroupCommit<number>({ name: 'spec', waitMs: 5, groupSize: 3, logger: silent, commit, ...more });

describe('a group commit', () => {
  it('commits everything once, in order, one group at a time', async () => {
    const committed: number[] = [];
    let running = 0;
    const groups = make(async (group) => {
      expect(++running).toBe(1);
      await new Promise((resolve) => setTimeout(resolve, 1));
      committed.push(...group);
      running -= 1;
    });
    for (let i = 0; i < 50; i++) groups.add(i);
    expect(await groups.settled()).toBe(true);
    expect(committed).toEqual(Array.from({ length: 50 }, (_, i) => i));
    expect(groups.size).toBe(0);
  });

  it('gathers while a group is committed, until the next one is full or has waited long enough', async () => {
    const sizes: number[] = [];
    const groups = make((group) => Promise.resolve(void sizes.push(group.length)), { waitMs: 1_000 });
    for (let i = 0; i < 4; i++) groups.add(i);
    await waitFor(() => groups.size === 1, { what: 'the first group' });
    expect(sizes).toEqual([3]);
    groups.add(4);
    groups.add(5);
    await waitFor(() => groups.size === 0, { what: 'the second group' });
    groups.add(6);
    await waitFor(() => groups.size === 0, { what: 'the last one' });
    expect(sizes).toEqual([3, 3, 1]);
  });

  it('is settled when what was added before is committed, whatever is added meanwhile', async () => {
    const groups = make(() => new Promise((resolve) => setTimeout(resolve, 1)));
    groups.add(0);
    let isOver = false;
    const more = setInterval(() => groups.add(1), 0);
    const settled = groups.settled().then(() => (isOver = true));
    await waitFor(() => isOver, { timeoutMs: 2_000, what: 'the first item to be settled' });
    clearInterval(more);
    await settled;
    await groups.stop(1_000);
  });

  it('tries a group again until the database takes it', async () => {
    let tries = 0;
    const groups = make(async () => {
      if (++tries < 3) throw new Error('away');
    });
    groups.add(1);
    expect(await groups.settled()).toBe(true);
    expect(tries).toBe(3);
  });

  it('drops the one item that the database refuses for ever, and no other', async () => {
    const committed: number[] = [];
    const groups = make(
      async (group) => {
        if (group.includes(5)) throw Object.assign(new Error('bad'), { code: '22P02' });
        committed.push(...group);
      },
      { groupSize: 10 },
    );
    for (let i = 0; i < 10; i++) groups.add(i);
    await groups.settled();
    expect(committed.sort()).toEqual([0, 1, 2, 3, 4, 6, 7, 8, 9]);
  });

  it('gives up what cannot be written when it must stop', async () => {
    const groups = make(() => Promise.reject(new Error('away')));
    groups.add(1);
    await groups.stop(50);
    expect(groups.size).toBeLessThanOrEqual(1);
  });
});
