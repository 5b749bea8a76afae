import { gunzipSync } from 'node:zlib';
import { reasonOf } from '@tributary/runtime/reason';
import { FieldReader } from './field-reader.js';
import type { WireMessage } from './wire.js';

/** Bounds of what one frame may unfold into. */
export interface FrameLimits {
  /** Bytes of a gzip payload once inflated. */
  inflatedBytesMax: number;
  /** Entries of `ProtoMessageFetchResult.messages`. */
  messagesPerFrameMax: number;
}

/** The parts of a `ProtoMessageFetchResult` that a connection needs; inner messages stay encoded. */
export interface FetchResult {
  messages: WireMessage[];
  cursor: string;
  internalExt: string;
  needAck: boolean;
  pushServer: string;
  /** Query parameters that TikTok wants on the socket's address. */
  routeParams: [name: string, value: string][];
}

/** What one WebSocket frame held. `bad` says why it could not be read; such a frame is counted and skipped. */
export type Frame =
  | { kind: 'result'; payloadType: string; logId: string; result: FetchResult }
  | { kind: 'other'; payloadType: string }
  | { kind: 'bad'; problem: string };

/** Payload types that answer our own frames and carry no messages. */
const ANSWERS = new Set(['hb', 'ack', 'im_enter_room_resp', 'close']);
const MESSAGE_NAME = /^Webcast\w+$/;
const INFLATE_CHUNK_BYTES_MIN = 1_024;
const INFLATE_CHUNK_BYTES_MAX = 262_144;
const ROUTE_PARAMS_MAX = 64;

/**
 * Reads one `WebcastPushFrame` synchronously, so that frames keep the order in which they arrived: inflating
 * asynchronously lets a small frame overtake a large one. Never throws. Payloads are views into the frame.
 */
export function readFrame(bytes: Uint8Array, limits: FrameLimits): Frame {
  try {
    return readPushFrame(bytes, limits);
  } catch (error) {
    return { kind: 'bad', problem: reasonOf(error) };
  }
}

/**
 * Reads a `ProtoMessageFetchResult`.
 * @throws Error when the bytes are not one, end too early, or hold more messages than `messagesMax`.
 */
export function readFetchResult(bytes: Uint8Array, messagesMax: number): FetchResult {
  const reader = new FieldReader(bytes);
  const result: FetchResult = { messages: [], cursor: '', internalExt: '', needAck: false, pushServer: '', routeParams: [] };
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    switch (tag) {
      case 10:
        if (result.messages.length >= messagesMax) throw new RangeError(`more than ${messagesMax} messages in one frame`);
        result.messages.push(readMessage(reader));
        break;
      case 18:
        result.cursor = reader.text();
        break;
      case 42:
        result.internalExt = reader.text();
        break;
      case 58: {
        const entry = readEntry(reader);
        if (result.routeParams.length < ROUTE_PARAMS_MAX) result.routeParams.push(entry);
        break;
      }
      case 72:
        result.needAck = reader.bool();
        break;
      case 82:
        result.pushServer = reader.text();
        break;
      default:
        skip(reader, tag);
    }
  }
  return result;
}

function readPushFrame(bytes: Uint8Array, { inflatedBytesMax, messagesPerFrameMax }: FrameLimits): Frame {
  const reader = new FieldReader(bytes);
  let logId = '';
  let payloadType = '';
  let payloadEncoding = '';
  let payload: Uint8Array | undefined;
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    switch (tag) {
      case 16:
        logId = reader.decimal();
        break;
      case 50:
        payloadEncoding = reader.text();
        break;
      case 58:
        payloadType = reader.text();
        break;
      case 66:
        payload = reader.view();
        break;
      default:
        skip(reader, tag);
    }
  }
  if (payloadEncoding === '' && payloadType === '') throw new Error('not a push frame');
  if (payloadType === 'msg') {
    if (payloadEncoding !== 'pb') throw new Error(`payload encoding ${JSON.stringify(payloadEncoding.slice(0, 20))} is not known`);
    const result = readFetchResult(inflate(payload ?? bytes.subarray(0, 0), inflatedBytesMax), messagesPerFrameMax);
    return { kind: 'result', payloadType, logId, result };
  }
  if (payloadEncoding !== 'pb' || payload === undefined || ANSWERS.has(payloadType)) return { kind: 'other', payloadType };
  return readUnnamed(payload, payloadType, logId, { inflatedBytesMax, messagesPerFrameMax });
}

/** A payload type nobody has described may hold messages: it counts as such only when it reads as nothing else. */
function readUnnamed(payload: Uint8Array, payloadType: string, logId: string, limits: FrameLimits): Frame {
  try {
    const result = readFetchResult(inflate(payload, limits.inflatedBytesMax), limits.messagesPerFrameMax);
    const isMessages = result.messages.length > 0 && result.messages.every(({ method }) => MESSAGE_NAME.test(method));
    return isMessages ? { kind: 'result', payloadType, logId, result } : { kind: 'other', payloadType };
  } catch {
    return { kind: 'other', payloadType };
  }
}

function readMessage(reader: FieldReader): WireMessage {
  const end = reader.uint32() + reader.pos;
  if (end > reader.len) throw new RangeError('premature EOF');
  let method = '';
  let msgId = '0';
  let payload: Uint8Array | undefined;
  while (reader.pos < end) {
    const tag = reader.uint32();
    switch (tag) {
      case 10:
        method = reader.text();
        break;
      case 18:
        payload = reader.view();
        break;
      case 24:
        msgId = reader.decimal();
        break;
      default:
        skip(reader, tag);
    }
  }
  if (reader.pos !== end) throw new RangeError('a field runs over the end of its message');
  return { method, msgId, payload: payload ?? new Uint8Array(0) };
}

function readEntry(reader: FieldReader): [string, string] {
  const end = reader.uint32() + reader.pos;
  let name = '';
  let value = '';
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === 10) name = reader.text();
    else if (tag === 18) value = reader.text();
    else skip(reader, tag);
  }
  return [name, value];
}

/** Passes over an unknown field. Field 0 exists in no protobuf: such bytes are something else. */
function skip(reader: FieldReader, tag: number): void {
  if (tag >>> 3 === 0) throw new Error('not protobuf');
  reader.skip(tag & 7);
}

function inflate(payload: Uint8Array, maxOutputLength: number): Uint8Array {
  if (payload.length < 18 || payload[0] !== 0x1f || payload[1] !== 0x8b || payload[2] !== 0x08) return payload;
  // gzip ends in its inflated size: one buffer of that size instead of 16 KiB ones that are joined. Only a hint.
  const hint = new DataView(payload.buffer, payload.byteOffset + payload.length - 4, 4).getUint32(0, true) + 64;
  const chunkSize = Math.min(Math.max(hint, INFLATE_CHUNK_BYTES_MIN), INFLATE_CHUNK_BYTES_MAX);
  return gunzipSync(payload, { chunkSize, maxOutputLength });
}
