import { describe, expect, it } from '@jest/globals';
import { decodeCursor, encodeCursor } from './cursor.js';

describe('cursor', () => {
  it('gives back the position it was made of, over the whole range', () => {
    for (const generation of [0, 1, 1_795_000_000, 0xffff_ffff]) {
      for (const seq of [0, 1, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
        expect(decodeCursor(encodeCursor({ generation, seq }))).toEqual({ generation, seq });
        expect(decodeCursor(encodeCursor({ generation, seq, descending: true }))).toEqual({ generation, seq, descending: true });
      }
    }
  });

  it('is a different text for a descending list, so that a live reader can refuse it', () => {
    const position = { generation: 7, seq: 9 };
    expect(encodeCursor({ ...position, descending: true })).not.toBe(encodeCursor(position));
    expect(encodeCursor({ ...position, descending: false })).toBe(encodeCursor(position));
  });

  it('refuses every text that it did not make', () => {
    const good = encodeCursor({ generation: 1, seq: 1 });
    const other = Buffer.alloc(13);
    other.writeUInt8(2, 0);
    const beyond = Buffer.from(good, 'base64url');
    beyond.writeBigUInt64BE(2n ** 60n, 5);
    for (const text of [
      '',
      'x',
      good.slice(1),
      `${good}A`,
      `${good}=`,
      ` ${good}`,
      other.toString('base64url'),
      beyond.toString('base64url'),
    ]) {
      expect(decodeCursor(text)).toBeUndefined();
    }
  });
});
