import { describe, expect, it } from '@jest/globals';
import { encodeRecords, readRecord } from './segment-record.js';

const args = (text: string): string[] => Array.from({ length: 11 }, (_, part) => (part === 9 ? text : String(part)));

describe('a spooled record', () => {
  it('is read as it was written, whatever the texts are', () => {
    const events = [args(''), args('ひらがな 🎁 \u0000"\\'), args('x'.repeat(100_000))];
    const bytes = encodeRecords(281_474_976_710_000, events);
    let offset = 0;
    events.forEach((expected, at) => {
      const read = readRecord(bytes, offset, bytes.length - offset);
      if (read.kind !== 'event') throw new Error(read.kind);
      expect(read.event).toEqual({ n: 281_474_976_710_000 + at, args: expected });
      offset += read.bytes;
    });
    expect(offset).toBe(bytes.length);
  });

  it('that was cut anywhere is torn, never half an event', () => {
    const bytes = encodeRecords(1, [args('some text')]);
    for (let length = 0; length < bytes.length; length += 1)
      expect(readRecord(bytes.subarray(0, length), 0, length)).toEqual({ kind: 'torn' });
  });

  it('with any one byte changed is never taken for an event', () => {
    const record = encodeRecords(1, [args('some text')]);
    const bytes = Buffer.concat([record, encodeRecords(2, [args('more')])]);
    for (let at = 0; at < record.length; at += 1) {
      const changed = Buffer.from(bytes);
      changed[at]! ^= 0x41;
      expect(['torn', 'corrupt']).toContain(readRecord(changed, 0, changed.length).kind);
    }
  });

  it('that is not wholly in the buffer says how much is needed', () => {
    const bytes = encodeRecords(1, [args('some text')]);
    expect(readRecord(bytes.subarray(0, 20), 0, bytes.length)).toEqual({ kind: 'short', bytes: bytes.length });
    expect(readRecord(bytes.subarray(0, 4), 0, bytes.length)).toEqual({ kind: 'short', bytes: 8 });
  });

  it('of zeros, as a machine that lost its power leaves them, is damage', () => {
    expect(readRecord(Buffer.alloc(4096), 0, 4096).kind).toBe('corrupt');
  });
});
