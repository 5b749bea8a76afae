import { describe, expect, it } from '@jest/globals';
import { Command } from 'ioredis';
import { encode } from './encoded-command.js';

describe('a command encoded by hand', () => {
  it.each([
    [[[]]],
    [[['a', ''], ['bc']]],
    [[['é', '\u{1f600}', '\0', 'line\r\nline'], [], ['x'.repeat(9), 'x'.repeat(10), 'x'.repeat(99), 'x'.repeat(100)]]],
    [[['y'.repeat(200_000)], Array.from({ length: 6_000 }, (_, n) => String(n))]],
  ])('is what the client would have sent', (parts: string[][]) => {
    const expected = new Command('evalsha', parts.flat()).toWritable({});
    expect(encode('evalsha', parts).equals(Buffer.from(expected))).toBe(true);
  });
});
