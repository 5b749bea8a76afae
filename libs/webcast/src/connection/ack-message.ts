import { randomFillSync } from 'node:crypto';
import { WebcastPushFrame } from 'tiktok-live-proto/v3';

/** First byte of a whole binary WebSocket message, and the bit that marks it as masked. */
const FINAL_BINARY = 0x82;
const MASKED = 0x80;
const MASK_BYTES = 4;
const HEADER_BYTES_MAX = 10 + MASK_BYTES;
const LOG_ID_TAG = 16;
const PAYLOAD_TAG = 66;
const VARINT_BYTES_MAX = 10;
/** The constant part of an acknowledgement, between its logId and its payload. */
const MIDDLE = Buffer.from(
  WebcastPushFrame.encode({
    seqId: '0',
    logId: '0',
    service: '0',
    method: '0',
    headers: [],
    payloadEncoding: 'pb',
    payloadType: 'ack',
    payload: Buffer.alloc(0),
  }).finish(),
);

/** Random bytes for masks, taken in order: asking for four at a time costs more than the rest of a frame. */
const masks = Buffer.alloc(8_192);
let nextMask = masks.length;

/**
 * The acknowledgement of a push frame as a whole masked WebSocket message. Every frame needs one. Encoding it with the schema and
 * sending it through the library took a fifth of a worker's CPU time, with two writes and four copies.
 */
export function ackMessage(logId: string, internalExt: string): Buffer {
  const textBytes = Buffer.byteLength(internalExt);
  const message = Buffer.allocUnsafe(HEADER_BYTES_MAX + 2 + 2 * VARINT_BYTES_MAX + MIDDLE.length + textBytes);
  const start = HEADER_BYTES_MAX;
  let at = start;
  message[at++] = LOG_ID_TAG;
  at = writeVarint(message, at, BigInt.asUintN(64, BigInt(logId)));
  at += MIDDLE.copy(message, at);
  message[at++] = PAYLOAD_TAG;
  at = writeVarint(message, at, BigInt(textBytes));
  at += message.write(internalExt, at, 'utf8');
  const mask = start - MASK_BYTES;
  if (nextMask === masks.length) {
    randomFillSync(masks);
    nextMask = 0;
  }
  masks.copy(message, mask, nextMask, (nextMask += MASK_BYTES));
  for (let i = start; i < at; i += 1) message[i]! ^= message[mask + ((i - start) & 3)]!;
  const from = writeHeader(message, mask, at - start);
  return message.subarray(from, at);
}

/** Writes a WebSocket header so that it ends at `end`; returns where it begins. */
function writeHeader(message: Buffer, end: number, length: number): number {
  const extended = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const start = end - 2 - extended;
  message[start] = FINAL_BINARY;
  message[start + 1] = MASKED | (extended === 0 ? length : extended === 2 ? 126 : 127);
  if (extended === 2) message.writeUInt16BE(length, start + 2);
  else if (extended === 8) message.writeBigUInt64BE(BigInt(length), start + 2);
  return start;
}

function writeVarint(bytes: Buffer, at: number, value: bigint): number {
  let high = Number(value >> 32n);
  let low = Number(value & 0xffffffffn);
  while (high > 0 || low > 127) {
    bytes[at++] = (low & 127) | 128;
    low = ((low >>> 7) | (high << 25)) >>> 0;
    high >>>= 7;
  }
  bytes[at++] = low;
  return at;
}
