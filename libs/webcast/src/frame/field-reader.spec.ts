import { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';
import { describe, expect, it } from '@jest/globals';
import { FieldReader } from './field-reader.js';

const NUMBERS = [0n, 1n, 127n, 128n, 16_384n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 10n ** 9n, 2n ** 49n - 1n, 2n ** 49n, 2n ** 53n + 1n];
const LARGE = [7_540_589_352_666_090_247n, 10n ** 18n, 999_999_999_999_999_999n, 2n ** 63n - 1n, -1n, -(2n ** 63n), -(2n ** 32n) - 5n];

describe('reading fields', () => {
  it.each([...NUMBERS, ...LARGE])('gives the 64-bit number %s in decimal', (value) => {
    expect(new FieldReader(new BinaryWriter().int64(value.toString()).finish()).decimal()).toBe(value.toString());
  });

  it('gives random 64-bit numbers as the schema reads them', () => {
    for (let n = 0; n < 5_000; n += 1) {
      const value = BigInt.asIntN(64, BigInt(Math.floor(Math.random() * 2 ** 32)) * BigInt(Math.floor(Math.random() * 2 ** 32)) ** 2n);
      expect(new FieldReader(new BinaryWriter().int64(value.toString()).finish()).decimal()).toBe(value.toString());
    }
  });

  it.each(['', 'plain', 'é', '\ufeffmark', 'x'.repeat(40), 'ü'.repeat(40), '\u{1f600}', '\0'])(
    'gives the text %j as the schema does',
    (text) => {
      const bytes = new BinaryWriter().string(text).finish();
      expect(new FieldReader(bytes).text()).toBe(new BinaryReader(bytes).string());
    },
  );

  it('gives text that is no UTF-8 as the schema does', () => {
    for (let n = 0; n < 2_000; n += 1) {
      const bytes = new BinaryWriter().bytes(Uint8Array.from({ length: n % 60 }, () => Math.floor(Math.random() * 256))).finish();
      expect(new FieldReader(bytes).text()).toBe(new BinaryReader(bytes).string());
    }
  });

  it('stands after skipping where the schema stands', () => {
    const writers: [number, (writer: BinaryWriter) => BinaryWriter][] = [
      [0, (writer) => writer.int64('-5')],
      [1, (writer) => writer.fixed64('7')],
      [2, (writer) => writer.bytes(Buffer.alloc(300))],
      [3, (writer) => writer.tag(2, 3).tag(1, 2).string('inside').tag(2, 4).tag(1, 4)],
      [5, (writer) => writer.fixed32(9)],
    ];
    for (const [wireType, write] of writers) {
      const bytes = write(new BinaryWriter()).uint32(42).finish();
      const reader = new FieldReader(bytes);
      reader.skip(wireType);
      expect(reader.uint32()).toBe(42);
    }
  });

  it('refuses what ends too early, varints without end and unknown wire types', () => {
    const endless = Buffer.alloc(11, 0xff);
    expect(() => new FieldReader(endless).uint32()).toThrow('invalid varint');
    expect(() => new FieldReader(endless).decimal()).toThrow('invalid varint');
    expect(() => new FieldReader(endless).bool()).toThrow('invalid varint');
    expect(() => new FieldReader(Buffer.from([0x80])).uint32()).toThrow('premature EOF');
    expect(() => new FieldReader(Buffer.from([5, 1])).text()).toThrow('premature EOF');
    expect(() => new FieldReader(Buffer.from([5, 1])).view()).toThrow('premature EOF');
    expect(() => new FieldReader(Buffer.from([1])).skip(7)).toThrow('cannot be skipped');
    expect(() => new FieldReader(Buffer.alloc(400, (1 << 3) | 3)).skip(3)).toThrow('nested too deep');
  });
});
