import { describe, expect, it } from '@jest/globals';
import { LikeTotals } from './like-totals.js';

describe('LikeTotals', () => {
  it('never decreases when totals run backwards', () => {
    const likes = new LikeTotals();
    expect([414_892, 414_962, 390_608, 390_623, 415_490].map((total) => likes.add(15, total))).toEqual([
      414_892, 414_962, 414_962, 414_962, 415_490,
    ]);
  });

  it('is the sum of counts where no total reaches it', () => {
    const likes = new LikeTotals();
    expect([likes.add(15, 0), likes.add(15, 0), likes.add(15, 20), likes.add(0, 100)]).toEqual([15, 30, 45, 100]);
  });

  it('says when there is something new to pass on', () => {
    const likes = new LikeTotals();
    likes.add(0, 0);
    expect(likes.changed).toBe(false);
    likes.add(1, 5);
    expect(likes.changed).toBe(true);
    const next = new LikeTotals();
    next.restore(likes.save());
    expect(next.add(1, 3)).toBe(5);
  });
});
