import type { Packed, PackedAt } from './packed-gzip.js';

/**
 * Writes protobuf into one reused buffer. The simulator shares a machine with the system that it measures, at tens of thousands of
 * messages a second. So it copies pre-encoded parts (users, gifts, comments) and writes only what changes.
 */
export class WireWriter {
  private buffer: Buffer;
  position = 0;
  /** Where packed parts stand, in order. */
  readonly parts: PackedAt[] = [];

  constructor(bytes = 65_536) {
    this.buffer = Buffer.allocUnsafe(bytes);
  }

  get capacity(): number {
    return this.buffer.length;
  }

  reset(): void {
    this.position = 0;
    this.parts.length = 0;
  }

  /** What was written between two positions; valid until the next reset. */
  view(from = 0, to = this.position): Buffer {
    return this.buffer.subarray(from, to);
  }

  /** A copy that outlives the next reset. */
  copy(from = 0, to = this.position): Buffer {
    return Buffer.from(this.buffer.subarray(from, to));
  }

  /** Non-negative safe integer. */
  varint(value: number): void {
    this.room(10);
    while (value > 127) {
      this.buffer[this.position++] = (value & 127) | 128;
      value = value > 0x7fffffff ? Math.floor(value / 128) : value >>> 7;
    }
    this.buffer[this.position++] = value;
  }

  /** Unsigned 64 bits given as two halves. */
  varint64(high: number, low: number): void {
    this.room(10);
    while (high > 0 || low > 127) {
      this.buffer[this.position++] = (low & 127) | 128;
      low = ((low >>> 7) | (high << 25)) >>> 0;
      high >>>= 7;
    }
    this.buffer[this.position++] = low;
  }

  /** A varint field; 0 is left out, as proto3 does. */
  int(field: number, value: number): this {
    if (value === 0) return this;
    this.varint(field << 3);
    this.varint(value);
    return this;
  }

  int64(field: number, high: number, low: number): this {
    this.varint(field << 3);
    this.varint64(high, low);
    return this;
  }

  /** A 64-bit id given in decimal. */
  id(field: number, decimal: string): this {
    const value = BigInt(decimal);
    return this.int64(field, Number(value >> 32n), Number(value & 0xffffffffn));
  }

  str(field: number, text: string): this {
    if (text === '') return this;
    const bytes = Buffer.byteLength(text);
    this.varint((field << 3) | 2);
    this.varint(bytes);
    this.room(bytes);
    this.position += this.buffer.write(text, this.position);
    return this;
  }

  /** A length-delimited field of bytes that are already encoded. */
  bytes(field: number, value: Uint8Array): this {
    this.varint((field << 3) | 2);
    this.varint(value.length);
    return this.raw(value);
  }

  /** A length-delimited field of a part that is compressed already. */
  packed(field: number, part: Packed): this {
    this.varint((field << 3) | 2);
    this.varint(part.raw.length);
    this.parts.push({ position: this.position, part });
    return this.raw(part.raw);
  }

  /** Bytes that are whole fields already. */
  raw(value: Uint8Array): this {
    this.room(value.length);
    this.buffer.set(value, this.position);
    this.position += value.length;
    return this;
  }

  /** Begins a nested message. Two bytes are kept for its length, right for 128 to 16,383 bytes; others move once. */
  open(field: number): number {
    this.varint((field << 3) | 2);
    this.room(2);
    this.position += 2;
    return this.position;
  }

  close(start: number): void {
    const length = this.position - start;
    const lengthBytes = length < 128 ? 1 : length < 16_384 ? 2 : length < 2_097_152 ? 3 : 4;
    if (lengthBytes !== 2) {
      this.room(2);
      this.buffer.copyWithin(start - 2 + lengthBytes, start, this.position);
      for (let i = this.parts.length - 1; i >= 0; i--) {
        const part = this.parts[i];
        if (!part || part.position < start) break;
        part.position += lengthBytes - 2;
      }
    }
    this.position = start - 2;
    this.varint(length);
    this.position += length;
  }

  private room(bytes: number): void {
    if (this.position + bytes <= this.buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, this.position + bytes));
    this.buffer.copy(grown, 0, 0, this.position);
    this.buffer = grown;
  }
}

const scratch: WireWriter[] = [];

/** Encodes one message into bytes of its own; for parts that are made once and copied often. May be nested. */
export function encode(write: (writer: WireWriter) => void): Buffer {
  const writer = scratch.pop() ?? new WireWriter(4_096);
  writer.reset();
  write(writer);
  const bytes = writer.copy();
  scratch.push(writer);
  return bytes;
}

/** One field of a protobuf message: a varint's value, or the bytes of a length-delimited field. */
export type WireField = { field: number; value: bigint } | { field: number; bytes: Buffer } | { field: number };

/** Reads the fields of a message; undefined as soon as the bytes are not protobuf. */
export function readFields(bytes: Buffer, fieldsMax = 10_000): WireField[] | undefined {
  const fields: WireField[] = [];
  let position = 0;
  const varint = (): bigint | undefined => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[position++];
      if (byte === undefined) return undefined;
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asUintN(64, value);
    }
    return undefined;
  };
  while (position < bytes.length && fields.length < fieldsMax) {
    const tag = varint();
    if (tag === undefined || tag > 0xffffffffn) return undefined;
    const field = Number(tag >> 3n);
    const type = Number(tag & 7n);
    if (field === 0) return undefined;
    if (type === 0) {
      const value = varint();
      if (value === undefined) return undefined;
      fields.push({ field, value });
    } else if (type === 2) {
      const length = varint();
      if (length === undefined || Number(length) > bytes.length - position) return undefined;
      fields.push({ field, bytes: bytes.subarray(position, position + Number(length)) });
      position += Number(length);
    } else if (type === 1 || type === 5) {
      position += type === 1 ? 8 : 4;
      if (position > bytes.length) return undefined;
      fields.push({ field });
    } else return undefined;
  }
  return fields;
}

/** First field of that number as text, or undefined. */
export function textOf(fields: WireField[], field: number): string | undefined {
  const bytes = bytesOf(fields, field);
  return bytes?.toString('utf8');
}

export function bytesOf(fields: WireField[], field: number): Buffer | undefined {
  for (const entry of fields) if (entry.field === field && 'bytes' in entry) return entry.bytes;
  return undefined;
}

export function numberOf(fields: WireField[], field: number): bigint | undefined {
  for (const entry of fields) if (entry.field === field && 'value' in entry) return entry.value;
  return undefined;
}

/** Decimal text of a 64-bit id given as two halves. */
export function decimal(high: number, low: number): string {
  return ((BigInt(high) << 32n) | BigInt(low)).toString();
}
