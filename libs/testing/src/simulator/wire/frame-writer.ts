import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import type { Method } from './methods.js';
import { gzipPacked } from './packed-gzip.js';
import { encode, WireWriter } from './protobuf.js';

/** A push frame ready to be written to any number of connections; only its seqId differs between them. */
export interface Frame {
  /** Everything of `WebcastPushFrame` but seqId. */
  tail: Buffer;
  logId: string;
  /** Ordinals of the room's messages inside; absent in frames that carry none. */
  first?: number;
  last?: number;
  /** Ordinals in the order of the wire, where that is not the order of the numbers. */
  order?: number[];
  messages: number;
}

/** Cursor and internalExt as TikTok gives them with every batch. */
export interface Position {
  cursor: string;
  internalExt: string;
}

const ENCODING = encode((writer) => writer.str(6, 'pb').str(7, 'msg'));
const GZIP_HEADER = encode((writer) =>
  writer.bytes(
    5,
    encode((header) => header.str(1, 'compress_type').str(2, 'gzip')),
  ),
);
/** Level 1 takes 25 µs for a frame of 3.6 KB and lands within a tenth of what level 6 gives. */
const GZIP = { level: 1, memLevel: 4, windowBits: 12, chunkSize: 8_192 };

const FIRST_BYTES = 262_144;
/** A larger buffer is not kept after its frame. */
const KEPT_BYTES_MAX = 4_194_304;

let logIds = BigInt(`0x${randomBytes(4).toString('hex')}`) << 28n;

/** Collects messages of one `ProtoMessageFetchResult`. One writer serves all rooms, a frame at a time. */
export class FrameWriter {
  private writer = new WireWriter(FIRST_BYTES);
  private spare = new WireWriter(FIRST_BYTES);
  private readonly ends: number[] = [];

  begin(): void {
    if (this.writer.capacity > KEPT_BYTES_MAX) this.writer = new WireWriter(FIRST_BYTES);
    this.writer.reset();
    this.ends.length = 0;
  }

  get messages(): number {
    return this.ends.length;
  }

  get bytes(): number {
    return this.writer.position;
  }

  /** Adds a message; `payload` writes it and says what it was. */
  add<T extends { method: Method; high: number; low: number }>(payload: (writer: WireWriter) => T): T {
    const { writer } = this;
    const start = writer.open(1);
    const body = writer.open(2);
    const written = payload(writer);
    writer.close(body);
    writer.raw(written.method.nameField).int64(3, written.high, written.low).int(4, 1);
    writer.close(start);
    this.ends.push(writer.position);
    return written;
  }

  /** Adds a message that is encoded already (a `messages` field as {@link message} gives it). */
  addEncoded(message: Uint8Array): void {
    this.writer.raw(message);
    this.ends.push(this.writer.position);
  }

  /** A copy of the n-th message, to be sent again as history; undefined when it is larger than that. */
  message(index: number, bytesMax: number): Buffer | undefined {
    const start = index === 0 ? 0 : (this.ends[index - 1] ?? 0);
    const end = this.ends[index] ?? start;
    return end - start > bytesMax ? undefined : this.writer.copy(start, end);
  }

  /** Puts the messages into the given order, a permutation of their indices. */
  reorder(order: number[]): void {
    this.spare.reset();
    for (const index of order) this.spare.raw(this.writer.view(index === 0 ? 0 : this.ends[index - 1], this.ends[index]));
    [this.writer, this.spare] = [this.spare, this.writer];
    this.ends.length = 0;
    this.ends.push(...order.map(() => this.writer.position));
  }

  /** The batch as the body of an im/fetch answer: not compressed, with where and how to connect. */
  bundle(position: Position, now: number, pushServer: string, routeParams: Record<string, string>): Buffer {
    const { writer } = this;
    writer.str(2, position.cursor).int(3, 1_000).int(4, now).str(5, position.internalExt).int(6, 1);
    for (const [key, value] of Object.entries(routeParams))
      writer.bytes(
        7,
        encode((entry) => entry.str(1, key).str(2, value)),
      );
    writer.int(8, 10_000).int(9, 1).str(10, pushServer).int(11, 1);
    return writer.copy();
  }

  /** The batch as a push frame; `damage` may spoil its payload. */
  push(position: Position, now: number, damage: (payload: Buffer) => Buffer = (payload) => payload): Frame {
    const { writer } = this;
    const messages = this.messages;
    writer.str(2, position.cursor).int(3, 1_000).int(4, now).str(5, position.internalExt).int(6, 1).int(9, 1);
    const packedBytes = writer.parts.reduce((sum, { part }) => sum + part.raw.length, 0);
    const bytes = writer.view();
    const payload = damage(packedBytes * 3 > bytes.length ? gzipPacked(bytes, writer.parts) : gzipSync(bytes, GZIP));
    return { ...wrap(payload, true), messages };
  }

  /** The batch as a push frame that is not compressed. */
  pushPlain(position: Position, now: number): Frame {
    const { writer } = this;
    const messages = this.messages;
    writer.str(2, position.cursor).int(3, 1_000).int(4, now).str(5, position.internalExt).int(6, 1).int(9, 1);
    return { ...wrap(writer.copy(), false), messages };
  }
}

function wrap(payload: Buffer, compressed: boolean): { tail: Buffer; logId: string } {
  logIds += 1n;
  const logId = logIds.toString();
  const tail = encode((writer) => {
    writer.id(2, logId).int(4, 8);
    if (compressed) writer.raw(GZIP_HEADER);
    writer.raw(ENCODING).bytes(8, payload);
  });
  return { tail, logId };
}

/** A whole push frame for one connection, as an unmasked binary WebSocket frame. */
export function withSeqId(frame: Frame, seqId: number): Buffer {
  const { tail } = frame;
  const head = encode((writer) => writer.int(1, seqId));
  const length = head.length + tail.length;
  const headerBytes = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const bytes = Buffer.allocUnsafe(headerBytes + length);
  bytes[0] = 0x82;
  if (headerBytes === 2) bytes[1] = length;
  else if (headerBytes === 4) {
    bytes[1] = 126;
    bytes.writeUInt16BE(length, 2);
  } else {
    bytes[1] = 127;
    bytes.writeBigUInt64BE(BigInt(length), 2);
  }
  bytes.set(head, headerBytes);
  bytes.set(tail, headerBytes + head.length);
  return bytes;
}

/** A push frame of the given type without messages, as the answer to a room entry. */
export function controlFrame(payloadType: string, payload: Uint8Array = new Uint8Array()): Frame {
  logIds += 1n;
  const logId = logIds.toString();
  const tail = encode((writer) => {
    writer.id(2, logId).str(6, 'pb').str(7, payloadType);
    if (payload.length > 0) writer.bytes(8, payload);
  });
  return { tail, logId, messages: 0 };
}
