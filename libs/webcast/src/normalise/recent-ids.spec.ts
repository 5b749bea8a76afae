import { describe, expect, it } from '@jest/globals';
import { RecentIds } from './recent-ids.js';

describe('RecentIds', () => {
  it('tells an id that it has seen', () => {
    const ids = new RecentIds(4);
    expect(['7540589352666090247', '7540589352666090248', '7540589352666090247'].map((id) => ids.add(id))).toEqual([true, true, false]);
  });

  it.each(['0', '7', '999999999', '1000000000', '4294967295', '4294967296', '18446744073709551615', '9007199254740993'])(
    'gives %s back exactly',
    (id) => {
      const ids = new RecentIds(1);
      ids.add(id);
      expect(ids.list()).toEqual([id]);
    },
  );

  it('ids beyond 64 bits, negative ids and hashes are told apart too', () => {
    const odd = ['-5', '99999999999999999999', 'h0123456789abcdef', 'h0123456789abcdee', 'anything'];
    const ids = new RecentIds(10);
    expect(odd.map((id) => ids.add(id))).toEqual([true, true, true, true, true]);
    expect(odd.map((id) => ids.add(id))).toEqual([false, false, false, false, false]);
  });

  it('what it lists is known to another one', () => {
    const ids = new RecentIds(8);
    for (const id of ['12', 'h0123456789abcdef', '-5']) ids.add(id);
    const next = new RecentIds(8);
    for (const id of ids.list()) next.add(id);
    expect(['12', 'h0123456789abcdef', '-5', '13'].map((id) => next.add(id))).toEqual([false, false, false, true]);
  });

  it('remembers exactly the latest, as a plain list and set do', () => {
    const max = 50;
    const ids = new RecentIds(max);
    const model: string[] = [];
    let wrong = 0;
    let seed = 1;
    for (let n = 0; n < 50_000; n++) {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      // Ids of one second share their upper half, as TikTok's do; 120 of them keep coming back.
      const id = ((1_795_341_600n << 32n) | BigInt((seed >>> 16) % 120)).toString();
      const known = model.includes(id);
      if (ids.add(id) === known) wrong++;
      if (!known) model.push(id);
      if (model.length > max) model.shift();
    }
    expect(wrong).toBe(0);
    expect(ids.list()).toEqual(model);
  });

  it('refuses a bound that is no bound', () => {
    expect(() => new RecentIds(0)).toThrow('recentIdsMax: expected 1 to 1048576');
  });
});
