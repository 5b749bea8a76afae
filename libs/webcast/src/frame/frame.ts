import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib';
import { reasonOf } from '@tributary/runtime/reason';
import { FieldReader } from './field-reader.js';
import type { WireMessage } from './wire-message.js';

/** Bounds of one unpacked frame. */
export interface FrameLimits {
  /** Bytes of a payload once it is unpacked. */
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

/** Payload types of answers to our own frames, which contain no messages. */
const ANSWERS = new Set(['hb', 'ack', 'im_enter_room_resp', 'close']);
/** Names of messages; one of 61 is no `Webcast..`. */
const MESSAGE_NAME = /^(?:Webcast|Room)\w+$/;
const INFLATE_CHUNK_BYTES_MIN = 1_024;
const INFLATE_CHUNK_BYTES_MAX = 262_144;
const ROUTE_PARAMS_MAX = 64;
/** Fields besides messages; TikTok sends about twelve. A small packed frame could hold millions, each of which takes time. */
const FIELDS_MAX = 1_000;

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
 * @throws Error when the bytes are not one, end too early, or hold more messages than `messagesMax` or more fields than any has.
 */
export function readFetchResult(bytes: Uint8Array, messagesMax: number): FetchResult {
  const reader = new FieldReader(bytes);
  const result: FetchResult = { messages: [], cursor: '', internalExt: '', needAck: false, pushServer: '', routeParams: [] };
  for (let fields = 0; reader.pos < reader.len; fields++) {
    const tag = reader.uint32();
    if (fields - result.messages.length > FIELDS_MAX) throw new RangeError(`more than ${FIELDS_MAX} fields besides messages in one frame`);
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
  if (payload === undefined && payloadEncoding === '' && payloadType === '') throw new Error('not a push frame');
  if (ANSWERS.has(payloadType) || (payload === undefined && payloadType !== 'msg')) return { kind: 'other', payloadType };
  const result = openPayload(payload ?? bytes.subarray(0, 0), { inflatedBytesMax, messagesPerFrameMax });
  if (payloadType === 'msg') {
    if (result instanceof Error) throw result;
    return { kind: 'result', payloadType, logId, result };
  }
  // An undocumented payload type may contain messages; it counts as such only when it cannot be read as anything else.
  const isMessages = !(result instanceof Error) && result.messages.length > 0 && hasWebcastNames(result);
  if (isMessages) return { kind: 'result', payloadType, logId, result };
  if (payloadType === '') throw new Error('neither a payload type nor messages');
  return { kind: 'other', payloadType };
}

/**
 * Unpacks a payload by its own first bytes, since the encoding that the frame names is at times missing or wrong. Brotli has no
 * such mark, so it is tried last.
 */
function openPayload(payload: Uint8Array, { inflatedBytesMax, messagesPerFrameMax }: FrameLimits): FetchResult | Error {
  const read = (unpack: () => Uint8Array): FetchResult | Error => {
    try {
      return readFetchResult(unpack(), messagesPerFrameMax);
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  };
  if (isGzip(payload)) return read(() => gunzip(payload, inflatedBytesMax));
  if (isZlib(payload)) {
    const inflated = read(() => inflateSync(payload, { maxOutputLength: inflatedBytesMax }));
    if (!(inflated instanceof Error)) return inflated;
  }
  const plain = read(() => payload);
  if (payload.length === 0 || isFetchResult(plain)) return plain;
  const unpacked = read(() => brotliDecompressSync(payload, { maxOutputLength: inflatedBytesMax }));
  return isFetchResult(unpacked) ? unpacked : plain;
}

/** Whether bytes that read as protobuf are a fetch result: packed bytes may read as one with nothing in it. */
function isFetchResult(result: FetchResult | Error): result is FetchResult {
  if (result instanceof Error) return false;
  return result.messages.length > 0 ? hasWebcastNames(result) : result.cursor !== '' || result.internalExt !== '';
}

function hasWebcastNames({ messages }: FetchResult): boolean {
  return messages.every(({ method }) => MESSAGE_NAME.test(method));
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

function isGzip(bytes: Uint8Array): boolean {
  return bytes.length >= 18 && bytes[0] === 0x1f && bytes[1] === 0x8b && bytes[2] === 0x08;
}

/** RFC 1950: deflate with a window, and a header that is a multiple of 31. */
function isZlib(bytes: Uint8Array): boolean {
  const [method = 0, flags = 0] = bytes;
  return bytes.length >= 6 && (method & 0x0f) === 8 && method >> 4 <= 7 && ((method << 8) | flags) % 31 === 0;
}

function gunzip(payload: Uint8Array, maxOutputLength: number): Uint8Array {
  // gzip ends in its inflated size: one buffer of that size instead of 16 KiB ones that are joined. Only a hint.
  const hint = new DataView(payload.buffer, payload.byteOffset + payload.length - 4, 4).getUint32(0, true) + 64;
  const chunkSize = Math.min(Math.max(hint, INFLATE_CHUNK_BYTES_MIN), INFLATE_CHUNK_BYTES_MAX);
  return gunzipSync(payload, { chunkSize, maxOutputLength });
}
