import { controlFrame, type Frame, FrameWriter } from '../wire/frame-writer.js';
import { sharedParts } from './shared-parts.js';
import { Traffic } from './traffic.js';
import { encode } from '../wire/protobuf.js';

/** A push frame without the WebSocket around it, and how many messages it holds. */
export interface CorpusFrame {
  bytes: Buffer;
  messages: number;
}

/** The room of all frames of a corpus. */
export const CORPUS_ROOM = '7540589352666090247';
/** ms since 1970 at which they are sent. */
export const CORPUS_MS = Date.UTC(2026, 10, 22, 10);
const ANCHOR = '6900000000000000001';
const MESSAGES_MAX = 6;
const CONTROLS = ['hb', 'ack', 'im_enter_room_resp', 'close'];

/** Frames of one room as the simulator sends them, mostly compressed: the same seed gives the same bytes. */
export function frameCorpus(seed: string, count: number): CorpusFrame[] {
  const traffic = new Traffic(sharedParts(seed), `${seed}/corpus`, CORPUS_ROOM, ANCHOR);
  const writer = new FrameWriter();
  let n = 0;
  return Array.from({ length: count }, (_, at): CorpusFrame => {
    if (at % 40 === 39) return { bytes: stamped(controlFrame(CONTROLS[(at / 40) & 3]!), at), messages: 0 };
    writer.begin();
    const messages = 1 + (at % MESSAGES_MAX);
    for (let left = messages; left > 0; left--) {
      n += 1;
      writer.add((body) => traffic.write(body, n, CORPUS_MS + n, 4));
    }
    const position = { cursor: `c${at}`, internalExt: `internal_src:dim|wss_msg_type:r|seq:${at}` };
    return { bytes: stamped(at % 5 === 4 ? writer.pushPlain(position, CORPUS_MS) : writer.push(position, CORPUS_MS), at), messages };
  });
}

/** A frame with numbers of its own: those that it was made with are drawn anew in each process. */
function stamped({ tail }: Frame, at: number): Buffer {
  let end = 1;
  while (tail[end]! > 127) end += 1;
  return Buffer.concat([
    encode((writer) => writer.int(1, at + 1).id(2, String(7_000_000_000_000_000_000n + BigInt(at)))),
    tail.subarray(end + 1),
  ]);
}
