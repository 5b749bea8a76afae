import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { CorpusFrame } from '@tributary/testing';
import { CONNECTION_LIMITS as LIMITS } from '../../../libs/webcast/src/connection/room-connection.js';
import { readFrame } from '../../../libs/webcast/src/frame/frame.js';
import type { WireMessage } from '../../../libs/webcast/src/frame/wire-message.js';
import { WIRE_RULES } from '../../../libs/webcast/src/normalise/wire-rules.js';
import type { Draw } from '../engine/draw.js';
import { mutatedBytes } from '../engine/mutate.js';

const METHODS: readonly string[] = [
  ...WIRE_RULES.keys(),
  'WebcastNobodyKnowsMessage',
  '',
  '__proto__',
  'constructor',
  '\u0000',
  'x'.repeat(5_000),
];
/** Varints that are too long, too large, or that no length may be. */
const VARINTS: readonly (readonly number[])[] = [
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
  [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01],
  [0xff, 0xff, 0xff, 0xff, 0x0f],
  [0xff, 0xff, 0xff, 0xff, 0x07],
  [0x80, 0x80, 0x80, 0x80, 0x08],
  [0x80],
  [0],
];

/** Changed frames, made from those of a corpus: of their bytes, of what is packed inside, of single messages, and whole attacks. */
export class FrameMutations {
  constructor(private readonly corpus: readonly CorpusFrame[]) {}

  make(draw: Draw): Buffer {
    const { bytes } = draw.pick(this.corpus);
    const frame = draw.weighted<() => Buffer>([
      [40, () => mutatedBytes(bytes, draw, draw.pick(this.corpus).bytes)],
      [25, () => repacked(bytes, draw, (inner) => mutatedBytes(inner, draw))],
      [25, () => this.withMessages(bytes, draw)],
      [10, () => lengthLie(bytes, draw)],
      [10, () => repacked(bytes, draw, (inner) => lengthLie(inner, draw))],
      [0.15, () => attack(draw)],
    ])();
    return frame.subarray(0, LIMITS.frameBytesMax);
  }

  /** The same frame with changed messages in it. */
  private withMessages(bytes: Buffer, draw: Draw): Buffer {
    const messages = messagesOf(bytes).map(({ method, msgId, payload }) => ({
      method: draw.chance(0.85) ? method : draw.pick(METHODS),
      msgId: draw.chance(0.95) ? msgId : draw.pick(['0', '-1', '9223372036854775807', msgId]),
      payload: draw.chance(0.3) ? lengthLie(payload, draw) : mutatedBytes(payload, draw),
    }));
    return pushFrame(fetchResult(messages), draw);
  }
}

/** The messages of a sound frame. */
function messagesOf(bytes: Buffer): WireMessage[] {
  const frame = readFrame(bytes, LIMITS);
  return frame.kind === 'result' ? frame.result.messages : [];
}

function fetchResult(messages: readonly { method: string; msgId: string; payload: Uint8Array }[]): Buffer {
  const writer = new BinaryWriter();
  for (const { method, msgId, payload } of messages)
    writer
      .tag(1, WireType.LengthDelimited)
      .fork()
      .tag(1, WireType.LengthDelimited)
      .string(method)
      .tag(2, WireType.LengthDelimited)
      .bytes(payload)
      .tag(3, WireType.Varint)
      .int64(msgId)
      .join();
  return Buffer.from(
    writer
      .tag(2, WireType.LengthDelimited)
      .string('c')
      .tag(5, WireType.LengthDelimited)
      .string('ext')
      .tag(9, WireType.Varint)
      .bool(true)
      .finish(),
  );
}

function pushFrame(payload: Uint8Array, draw: Draw): Buffer {
  const packed = draw.weighted<() => Uint8Array>([
    [6, () => gzipSync(payload, { level: 1 })],
    [3, () => payload],
    [0.5, () => deflateSync(payload, { level: 1 })],
    [0.2, () => brotliCompressSync(payload.subarray(0, 20_000))],
  ])();
  return framed(packed, draw.chance(0.95) ? 'msg' : draw.pick(['', 'hb', 'other', 'x'.repeat(300)]));
}

function framed(payload: Uint8Array, type: string): Buffer {
  const writer = new BinaryWriter().tag(2, WireType.Varint).int64('7').tag(6, WireType.LengthDelimited).string('pb');
  return Buffer.from(writer.tag(7, WireType.LengthDelimited).string(type).tag(8, WireType.LengthDelimited).bytes(payload).finish());
}

/** What is packed in a frame, changed and packed again. */
function repacked(bytes: Buffer, draw: Draw, change: (inner: Buffer) => Buffer): Buffer {
  return pushFrame(change(fetchResult(messagesOf(bytes))), draw);
}

/** One length or number in the bytes says something else. */
function lengthLie(bytes: Uint8Array, draw: Draw): Buffer {
  const at = fieldStarts(bytes);
  if (at.length === 0) return mutatedBytes(bytes, draw);
  const { start, end } = draw.pick(at);
  const lie = draw.chance(0.6) ? Buffer.from(draw.pick(VARINTS)) : Buffer.from([draw.below(128)]);
  return Buffer.concat([bytes.subarray(0, start), lie, bytes.subarray(end)]);
}

/** Where lengths and numbers stand in a message, and in messages inside it. */
function fieldStarts(bytes: Uint8Array, offset = 0, depth = 0): { start: number; end: number }[] {
  const found: { start: number; end: number }[] = [];
  const reader = new BinaryReader(bytes);
  try {
    while (reader.pos < reader.len && found.length < 500) {
      const [field, type] = reader.tag();
      const start = reader.pos;
      if (type === WireType.Varint || type === WireType.LengthDelimited) {
        const length = reader.uint32();
        found.push({ start: offset + start, end: offset + reader.pos });
        if (type === WireType.Varint) continue;
        const inner = bytes.subarray(reader.pos, reader.pos + length);
        if (depth < 4) found.push(...fieldStarts(inner, offset + reader.pos, depth + 1));
        reader.pos += length;
      } else reader.skip(type, field);
    }
  } catch {
    // Text and packed bytes are no messages: what was found before the first fault is enough.
  }
  return found;
}

/** As much as is unpacked. */
const NEARLY = LIMITS.inflatedBytesMax - 1_000;
const bomb = Buffer.alloc(48 * 2 ** 20);
let packedBombs: readonly Buffer[] | undefined;

/** Payloads made to cost: bombs, deep nesting, floods of small fields and messages. */
function attack(draw: Draw): Buffer {
  packedBombs ??= [
    gzipSync(bomb),
    deflateSync(bomb),
    brotliCompressSync(bomb),
    gzipSync(fetchResult([{ method: 'WebcastChatMessage', msgId: '1', payload: bomb.subarray(0, LIMITS.inflatedBytesMax + 1) }])),
  ];
  const repeated = (bytes: readonly number[], length: number) => Buffer.alloc(length, Buffer.from(bytes));
  const levels = draw.pick([100, 5_000, 60_000]);
  const payload = draw.pick<() => Uint8Array>([
    () => draw.pick(packedBombs!),
    () => Buffer.concat([gzipSync(Buffer.from('a')), draw.pick(packedBombs!)]),
    () => gzipSync(repeated([0x0a, 0x00], draw.pick([30_000, 2_000_000]))),
    () => gzipSync(repeated([0x3a, 0x00], NEARLY)),
    () => gzipSync(repeated([0x12, 0x01, 0x61], NEARLY)),
    () => gzipSync(repeated([0x78, 0x01], NEARLY)),
    () => repeated([0x0b], levels),
    () => nested(levels, draw),
    () =>
      fetchResult([
        { method: draw.pick(METHODS), msgId: '5', payload: draw.chance(0.5) ? nested(levels, draw) : repeated([0x0b], levels) },
      ]),
    () => {
      // Each field of a message has its turn: an empty text or message, again and again.
      const flood = repeated([(draw.between(1, 15) << 3) | 2, 0], draw.pick([200_000, NEARLY - 1_000]));
      return gzipSync(fetchResult([{ method: draw.pick(METHODS), msgId: '6', payload: flood }]), { level: 1 });
    },
    () =>
      fetchResult(
        Array.from({ length: draw.pick([9_999, 10_001]) }, (_, i) => ({
          method: draw.pick(METHODS),
          msgId: String(i),
          payload: Buffer.alloc(3, i),
        })),
      ),
    () => Buffer.alloc(draw.pick([0, 1, 5, 1_000_000]), draw.below(256)),
  ])();
  return framed(payload, 'msg');
}

/** A message inside a message, as deep as it goes. */
function nested(levels: number, draw: Draw): Buffer {
  const heads: Buffer[] = [];
  const tag = (draw.between(1, 15) << 3) | 2;
  let length = 0;
  for (let level = 0; level < levels; level++) {
    const head = Buffer.from(new BinaryWriter().uint32(tag).uint32(length).finish());
    heads.push(head);
    length += head.length;
  }
  return Buffer.concat(heads.reverse());
}
