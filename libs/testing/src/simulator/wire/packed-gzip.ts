import { constants, crc32, deflateRawSync } from 'node:zlib';

/** Bytes that are compressed once and put into many gzip streams. */
export interface Packed {
  raw: Buffer;
  /** `raw` as deflate blocks that end on a byte and refer to nothing before them. */
  deflated: Buffer;
}

/** A packed part inside a larger buffer, by the position of its first byte. */
export interface PackedAt {
  position: number;
  part: Packed;
}

const GZIP_HEADER = Buffer.from([0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0, 0x04, 0xff]);
const LAST_BLOCK = Buffer.from([0x01, 0, 0, 0xff, 0xff]);
const STORED_MAX = 65_535;

/** Compresses a part that will be sent again and again. */
export function pack(raw: Buffer): Packed {
  const fixed = { level: 9, finishFlush: constants.Z_FULL_FLUSH, strategy: constants.Z_FIXED };
  return { raw, deflated: deflateRawSync(raw, fixed) };
}

/**
 * A gzip stream of `bytes` in which the packed parts stand as they were compressed before and the rest is stored: 3 µs
 * for a frame of 3.4 KB where gzip level 1 takes 25, and a tenth to a third larger. `parts` are in order of position.
 */
export function gzipPacked(bytes: Buffer, parts: readonly PackedAt[]): Buffer {
  const blocks: Buffer[] = [GZIP_HEADER];
  let length = GZIP_HEADER.length;
  let at = 0;
  const add = (block: Buffer) => {
    blocks.push(block);
    length += block.length;
  };
  const store = (to: number) => {
    while (at < to) {
      const size = Math.min(STORED_MAX, to - at);
      const header = Buffer.allocUnsafe(5);
      header[0] = 0;
      header.writeUInt16LE(size, 1);
      header.writeUInt16LE(size ^ 0xffff, 3);
      add(header);
      add(bytes.subarray(at, at + size));
      at += size;
    }
  };
  for (const { position, part } of parts) {
    store(position);
    add(part.deflated);
    at = position + part.raw.length;
  }
  store(bytes.length);
  add(LAST_BLOCK);
  const trailer = Buffer.allocUnsafe(8);
  trailer.writeUInt32LE(crc32(bytes), 0);
  trailer.writeUInt32LE(bytes.length >>> 0, 4);
  add(trailer);
  return Buffer.concat(blocks, length);
}
