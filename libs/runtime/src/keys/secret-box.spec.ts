import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { SecretBox } from './secret-box.js';

const box = () => new SecretBox(randomBytes(32).toString('base64'), 'WEBHOOK_SECRET_KEY');

describe('the secret box', () => {
  it('opens what it sealed for the same owner, and writes it differently each time', () => {
    const mine = box();
    const sealed = [mine.seal('grüße', 'wh_1'), mine.seal('grüße', 'wh_1')];
    expect(sealed.map((one) => mine.open(one, 'wh_1'))).toEqual(['grüße', 'grüße']);
    expect(sealed[0]!.equals(sealed[1]!)).toBe(false);
  });

  it('opens nothing under another owner, with another key, or that was changed', () => {
    const mine = box();
    const sealed = mine.seal('secret', 'wh_1');
    const changed = Buffer.from(sealed);
    changed[15]! ^= 1;
    expect([mine.open(sealed, 'wh_2'), box().open(sealed, 'wh_1'), mine.open(changed, 'wh_1'), mine.open(Buffer.alloc(5), 'wh_1')]).toEqual(
      Array(4).fill(undefined),
    );
  });

  it('needs a key of 32 bytes', () => {
    expect(() => new SecretBox(Buffer.alloc(31).toString('base64'), 'WEBHOOK_SECRET_KEY')).toThrow('WEBHOOK_SECRET_KEY');
  });
});
