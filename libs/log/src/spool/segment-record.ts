import { crc32 } from 'node:zlib';

/** One event on disk: its number within the run, and its arguments of append.lua. */
export interface SpooledEvent {
  n: number;
  args: string[];
}

/**
 * The record at one offset of a segment. `short`: this many bytes are needed to read it. `torn`: the segment ends within
 * a record, as after a kill. `corrupt`: the checksum or the length is wrong.
 */
export type ReadRecord =
  { kind: 'event'; event: SpooledEvent; bytes: number } | { kind: 'short'; bytes: number } | { kind: 'torn' } | { kind: 'corrupt' };

/** First bytes of a segment; another text is another format. */
export const SEGMENT_HEAD = Buffer.from('TRIBSPL1');
/** Length and crc32 of what follows, four bytes each. */
const RECORD_HEAD_BYTES = 8;
const NUMBER_BYTES = 6;
const LENGTH_BYTES = 4;
const PARTS = 11;
const PAYLOAD_BYTES_MIN = NUMBER_BYTES + PARTS * LENGTH_BYTES;
/** No event is larger: a frame unzips to 4 MiB at most. A longer length is a damaged one. */
const PAYLOAD_BYTES_MAX = 67_108_864;

/** The records of consecutive events, the first of which has the number `first`. */
export function encodeRecords(first: number, events: readonly (readonly string[])[]): Buffer {
  const lengths = new Uint32Array(events.length * PARTS);
  let total = 0;
  events.forEach((args, at) => {
    for (let part = 0; part < PARTS; part += 1) {
      const length = Buffer.byteLength(args[part]!);
      lengths[at * PARTS + part] = length;
      total += length;
    }
  });
  const buffer = Buffer.allocUnsafe(total + events.length * (RECORD_HEAD_BYTES + PAYLOAD_BYTES_MIN));
  let end = 0;
  events.forEach((args, at) => {
    const start = end + RECORD_HEAD_BYTES;
    let place = buffer.writeUIntBE(first + at, start, NUMBER_BYTES);
    for (let part = 0; part < PARTS; part += 1) {
      place = buffer.writeUInt32BE(lengths[at * PARTS + part]!, place);
      place += buffer.write(args[part]!, place, 'utf8');
    }
    buffer.writeUInt32BE(place - start, end);
    buffer.writeUInt32BE(crc32(buffer.subarray(start, place)), end + 4);
    end = place;
  });
  return buffer;
}

/** Reads the record that begins at `offset` of `buffer`; `remaining` bytes of the segment lie from there on, in the buffer or behind it. */
export function readRecord(buffer: Buffer, offset: number, remaining: number): ReadRecord {
  if (remaining < RECORD_HEAD_BYTES) return { kind: 'torn' };
  if (buffer.length - offset < RECORD_HEAD_BYTES) return { kind: 'short', bytes: RECORD_HEAD_BYTES };
  const length = buffer.readUInt32BE(offset);
  const bytes = RECORD_HEAD_BYTES + length;
  if (length < PAYLOAD_BYTES_MIN || length > PAYLOAD_BYTES_MAX) return { kind: 'corrupt' };
  if (bytes > remaining) return { kind: 'torn' };
  if (buffer.length - offset < bytes) return { kind: 'short', bytes };
  const start = offset + RECORD_HEAD_BYTES;
  const payload = buffer.subarray(start, start + length);
  const bad = bytes === remaining ? ('torn' as const) : ('corrupt' as const);
  if (crc32(payload) !== buffer.readUInt32BE(offset + 4)) return { kind: bad };
  const args: string[] = [];
  let place = NUMBER_BYTES;
  for (let part = 0; part < PARTS; part += 1) {
    if (place + LENGTH_BYTES > length) return { kind: 'corrupt' };
    const end = place + LENGTH_BYTES + payload.readUInt32BE(place);
    if (end > length) return { kind: 'corrupt' };
    args.push(payload.toString('utf8', place + LENGTH_BYTES, end));
    place = end;
  }
  return { kind: 'event', event: { n: payload.readUIntBE(0, NUMBER_BYTES), args }, bytes };
}
