import { describe, expect, it } from '@jest/globals';
import { FieldLimiter, LIST_LENGTH_MAX } from './field-limiter.js';

describe('FieldLimiter', () => {
  it('bounds lists and remembers it until it is reset', () => {
    const trim = new FieldLimiter();
    expect(
      trim.list(
        Array.from({ length: LIST_LENGTH_MAX }, (_, n) => n),
        (n) => n,
      ),
    ).toHaveLength(LIST_LENGTH_MAX);
    expect(trim.truncated).toBe(false);
    expect(
      trim.list(
        Array.from({ length: LIST_LENGTH_MAX + 1 }, (_, n) => n),
        (n) => n,
      ),
    ).toHaveLength(LIST_LENGTH_MAX);
    expect(trim.truncated).toBe(true);
    trim.reset();
    expect(trim.truncated).toBe(false);
  });
});
