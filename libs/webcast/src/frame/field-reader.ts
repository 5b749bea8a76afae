import { WireType } from '@bufbuild/protobuf/wire';

/** Longest text that is read byte by byte: for more, one call into native code is cheaper. */
const SHORT_TEXT_MAX = 24;
/** Bytes of a varint whose value a number holds exactly. */
const EXACT_BYTES_MAX = 7;
const GROUPS_MAX = 100;

/**
 * Reads the fields of protobuf messages as the schema's own reader does, for code that skips most of them. The schema's reader
 * makes a view of everything it skips, and a BigInt of every 64-bit number, which is half of what decoding costs.
 */
export class FieldReader {
  pos = 0;
  readonly len: number;
  private readonly bytes: Buffer;

  /** @param bytes read in place; what {@link view} gives are parts of it */
  constructor(bytes: Uint8Array) {
    this.bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.len = bytes.length;
  }

  /** @throws RangeError when the bytes end within it, Error when it is longer than a varint can be */
  uint32(): number {
    const { bytes } = this;
    let byte = bytes[this.pos++] ?? this.end();
    if (byte < 128) return byte;
    let value = byte & 127;
    for (let shift = 7; shift < 35; shift += 7) {
      byte = bytes[this.pos++] ?? this.end();
      // What does not fit into 32 bits is cut off.
      value |= (byte & 127) << shift;
      if (byte < 128) return value >>> 0;
    }
    for (let more = 5; more < 10; more += 1) if ((bytes[this.pos++] ?? this.end()) < 128) return value >>> 0;
    throw new Error('invalid varint');
  }

  int32(): number {
    return this.uint32() | 0;
  }

  bool(): boolean {
    const start = this.pos;
    this.passVarint();
    for (let at = start; at < this.pos; at += 1) if (((this.bytes[at] ?? 0) & 127) !== 0) return true;
    return false;
  }

  /** A signed 64-bit number in decimal. */
  decimal(): string {
    const start = this.pos;
    let value = 0;
    for (let n = 0, unit = 1; n < EXACT_BYTES_MAX; n += 1, unit *= 128) {
      const byte = this.bytes[this.pos++] ?? this.end();
      value += (byte & 127) * unit;
      if (byte < 128) return String(value);
    }
    this.pos = start;
    return this.longDecimal();
  }

  /** Without BigInts where the number is positive: each step of theirs is a new object. */
  private longDecimal(): string {
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.bytes[this.pos++] ?? this.end();
      if (shift < 28) low |= (byte & 127) << shift;
      else if (shift === 28) {
        low |= (byte & 15) << 28;
        high = (byte & 127) >> 4;
      } else if (shift < 63) high |= (byte & 127) << (shift - 32);
      else high |= (byte & 1) << 31;
      if (byte >= 128) continue;
      return high < 0 ? ((BigInt(high) << 32n) | BigInt(low >>> 0)).toString() : positiveDecimal(high, low >>> 0);
    }
    throw new Error('invalid varint');
  }

  /** A delimited field's bytes, not copied. */
  view(): Buffer {
    const length = this.uint32();
    const start = this.pos;
    this.advance(length);
    return this.bytes.subarray(start, start + length);
  }

  /** A delimited field's text; bytes that are no UTF-8 become U+FFFD. */
  text(): string {
    const length = this.uint32();
    const { bytes, pos: start } = this;
    this.advance(length);
    const end = start + length;
    if (length <= SHORT_TEXT_MAX) {
      let short = '';
      let at = start;
      for (; at < end; at += 1) {
        const byte = bytes[at]!;
        if (byte > 127) break;
        short += String.fromCharCode(byte);
      }
      if (at === end) return short;
    }
    return bytes.toString('utf8', start, end);
  }

  /** Passes over a field of this wire type. @throws Error when there is no such type, or the bytes end within it */
  skip(wireType: number, groups = 0): void {
    switch (wireType) {
      case WireType.Varint:
        this.passVarint();
        return;
      case WireType.Bit64:
        this.advance(8);
        return;
      case WireType.LengthDelimited:
        this.advance(this.uint32());
        return;
      case WireType.Bit32:
        this.advance(4);
        return;
      case WireType.StartGroup:
        this.skipGroup(groups);
        return;
      default:
        throw new Error(`wire type ${wireType} cannot be skipped`);
    }
  }

  private skipGroup(groups: number): void {
    if (groups >= GROUPS_MAX) throw new Error('groups are nested too deep');
    for (;;) {
      const tag = this.uint32();
      if ((tag & 7) === WireType.EndGroup) return;
      if (tag >>> 3 === 0) throw new Error('field 0 exists in no message');
      this.skip(tag & 7, groups + 1);
    }
  }

  private passVarint(): void {
    const { bytes } = this;
    for (let n = 0; n < 10; n += 1) if ((bytes[this.pos++] ?? this.end()) < 128) return;
    throw new Error('invalid varint');
  }

  private advance(bytes: number): void {
    this.pos += bytes;
    if (this.pos > this.len) this.end();
  }

  private end(): never {
    throw new RangeError('premature EOF');
  }
}

/** Decimal digits of high * 2^32 + low: divided by 10^9 in steps that a number holds exactly. */
function positiveDecimal(high: number, low: number): string {
  const first = Math.floor(high / 1e9);
  const upper = (high - first * 1e9) * 65_536 + (low >>> 16);
  const second = Math.floor(upper / 1e9);
  const lower = (upper - second * 1e9) * 65_536 + (low & 0xffff);
  const third = Math.floor(lower / 1e9);
  const digits = lower - third * 1e9;
  const above = first * 4_294_967_296 + second * 65_536 + third;
  return above === 0 ? String(digits) : String(above) + String(1e9 + digits).slice(1);
}
