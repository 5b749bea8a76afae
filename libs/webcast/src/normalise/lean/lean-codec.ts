import { WireType } from '@bufbuild/protobuf/wire';
import { FieldReader } from '../../frame/field-reader.js';

/** Tags below this are looked up by place; nearly all are. */
const LOW_TAGS = 1_024;

/** Reads one field of a message. */
type Read<T> = (message: T, reader: FieldReader) => void;

/** A decoder that reads some fields and skips the rest. */
export interface LeanCodec<T> {
  decode(input: Uint8Array | FieldReader, bytes?: number): T;
}

/** Tag of a number or bool field. */
export const varint = (field: number): number => field << 3;
/** Tag of a text or message field. */
export const delimited = (field: number): number => (field << 3) | WireType.LengthDelimited;

/**
 * A decoder of some fields of a protobuf message, by their tags. A viewer has 110 fields and a message about 300, of
 * which an event shows a dozen: skipping the others makes the frequent messages several times cheaper than the full
 * decoder, whose results it equals in the fields it reads.
 */
export function lean<T extends object>(make: () => T, reads: Record<number, Read<T>>): LeanCodec<T> {
  const low: (Read<T> | undefined)[] = Array.from({ length: LOW_TAGS }, (_, tag) => reads[tag]);
  return {
    decode(input, bytes) {
      const reader = input instanceof FieldReader ? input : new FieldReader(input);
      const end = bytes === undefined ? reader.len : reader.pos + bytes;
      const message = make();
      while (reader.pos < end) {
        const tag = reader.uint32();
        const read = tag < LOW_TAGS ? low[tag] : reads[tag];
        if (read) {
          read(message, reader);
        } else {
          // As in the full decoder, a zero tag and the end of a group end the message.
          if (tag === 0 || (tag & 7) === WireType.EndGroup) break;
          reader.skip(tag & 7);
        }
      }
      return message;
    },
  };
}

/** Decodes the message that a delimited field holds. */
export function nested<T>(codec: LeanCodec<T>, reader: FieldReader): T {
  return codec.decode(reader, reader.uint32());
}

/** 64-bit numbers of a repeated field, as a packed field holds them. Those past `max` are read and dropped. */
export function packedInt64(into: string[], max: number, reader: FieldReader): void {
  const end = reader.uint32() + reader.pos;
  while (reader.pos < end) {
    const value = reader.decimal();
    if (into.length < max) into.push(value);
  }
}

/** A 64-bit number in decimal. */
export function int64(reader: FieldReader): string {
  return reader.decimal();
}
