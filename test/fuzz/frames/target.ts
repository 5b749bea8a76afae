import { type EventDraft, dataProblems, isEventType } from '@tributary/events';
import { CORPUS_MS, CORPUS_ROOM, type CorpusFrame, frameCorpus } from '@tributary/testing';
import { RoomNormaliser } from '@tributary/webcast';
import { CONNECTION_LIMITS as LIMITS } from '../../../libs/webcast/src/connection/room-connection.js';
import { readFrame } from '../../../libs/webcast/src/frame/frame.js';
import type { Fault, FuzzTarget } from '../engine/campaign.js';
import type { Draw } from '../engine/draw.js';
import { MemoryTrend, usedBytes } from '../engine/memory.js';
import { shorterBytes } from '../engine/shrink.js';
import { FrameMutations } from './mutations.js';

const CORPUS = 400;
const SEED = 'fuzz';
/** CPU time that one frame may take, in ms: all other rooms of a worker wait for it. */
const FRAME_MS_MAX = 1_000;
const TRIES = 3;
/** Bytes of JSON that one event may have: lists and texts of an event are bounded. */
const EVENT_LENGTH_MAX = 400_000;
/** A normaliser lives as long as a stream; here a short one, so that gift streaks end too. */
const FRAMES_PER_ROOM = 2_000;
const GROWTH_MIB_MAX = 24;
const SHOWN_BYTES = 400;

/** The way of a frame from its bytes to events: a typed outcome, in bounded time, and the next frame is read as if nothing had been. */
export class FramesTarget implements FuzzTarget<Buffer> {
  readonly name = 'frames';
  readonly counts = { result: 0, other: 0, bad: 0, events: 0, undecodable: 0 };
  slowestMs = 0;
  private readonly corpus: CorpusFrame[] = frameCorpus(SEED, CORPUS);
  private readonly mutations = new FrameMutations(this.corpus);
  private readonly memory = new MemoryTrend(10_000);
  private readonly expected: string[];
  private room = newRoom();
  private fed = 0;

  constructor() {
    this.expected = this.corpus.map((frame) => this.soundEvents(frame).join('\n'));
  }

  make(draw: Draw): Buffer {
    return this.mutations.make(draw);
  }

  feed(bytes: Buffer): Fault | undefined {
    if (this.fed++ % FRAMES_PER_ROOM === 0) this.room = newRoom();
    const began = performance.now();
    const events = this.read(bytes, this.room);
    const ms = performance.now() - began;
    this.slowestMs = Math.max(this.slowestMs, ms);
    if (ms > FRAME_MS_MAX && this.isSlow(bytes))
      return { kind: 'a frame is slow', detail: `${Math.round(ms)} ms for ${bytes.length} bytes` };
    const problem = events.map(problemOf).find(Boolean);
    if (problem) return { kind: problem.split(':')[0]!, detail: problem };
    return this.next();
  }

  smaller(bytes: Buffer): Iterable<Buffer> {
    return shorterBytes(bytes);
  }

  show(bytes: Buffer): string {
    return `${bytes.length} bytes: ${bytes.subarray(0, SHOWN_BYTES).toString('hex')}${bytes.length > SHOWN_BYTES ? '..' : ''}`;
  }

  async rest(done: number): Promise<Fault | undefined> {
    this.room = newRoom();
    // Node lets go of an inflater that failed in the next turn of the event loop; a socket turns it with each read.
    await new Promise((resolve) => setImmediate(resolve));
    this.memory.add(done, usedBytes());
    return undefined;
  }

  measures(): { rows: Record<string, string | number>; failures: string[] } {
    const { grownMiB, mostMiB } = this.memory;
    return {
      rows: {
        ...this.counts,
        'slowest ms': Math.round(this.slowestMs),
        'most MiB': Math.round(mostMiB),
        'MiB grown after warm-up': grownMiB === undefined ? 'too short a run' : Math.round(grownMiB * 10) / 10,
      },
      failures: grownMiB !== undefined && grownMiB > GROWTH_MIB_MAX ? [`memory grew by ${Math.round(grownMiB)} MiB after the warm-up`] : [],
    };
  }

  /** Reads a frame as a connection and its session do. What throws is a fault. */
  private read(bytes: Buffer, room: RoomNormaliser): EventDraft[] {
    const frame = readFrame(bytes, LIMITS);
    this.counts[frame.kind] += 1;
    if (frame.kind !== 'result') return [];
    const before = room.counters.decodeErrors;
    const events = frame.result.messages.flatMap((message) => room.normalise(message, CORPUS_MS));
    room.sweep(CORPUS_MS);
    room.takeSavedState();
    this.counts.events += events.length;
    this.counts.undecodable += room.counters.decodeErrors - before;
    return events;
  }

  /** A sound frame after a broken one, in a room that starts anew: the same events as ever. */
  private next(): Fault | undefined {
    const at = this.fed % this.corpus.length;
    const events = this.soundEvents(this.corpus[at]!).join('\n');
    return events === this.expected[at]
      ? undefined
      : { kind: 'the next sound frame is read otherwise', detail: `frame ${at} of the corpus` };
  }

  private soundEvents({ bytes, messages }: CorpusFrame): string[] {
    const frame = readFrame(bytes, LIMITS);
    const room = newRoom();
    const read = frame.kind === 'result' ? frame.result.messages : [];
    if (read.length !== messages) return [`${read.length} of ${messages} messages`];
    return read.flatMap((message) => room.normalise(message, CORPUS_MS).map((event) => JSON.stringify(event)));
  }

  private isSlow(bytes: Buffer): boolean {
    for (let tries = 1; tries < TRIES; tries++) {
      const began = process.cpuUsage();
      this.read(bytes, newRoom());
      const { user, system } = process.cpuUsage(began);
      if ((user + system) / 1_000 <= FRAME_MS_MAX) return false;
    }
    return true;
  }
}

function newRoom(): RoomNormaliser {
  return new RoomNormaliser({ creatorId: 'cr_1', handle: 'host', roomId: CORPUS_ROOM });
}

/** What is wrong with an event, whatever it was made of. */
function problemOf({ type, data, time, id }: EventDraft): string | undefined {
  if (!isEventType(type)) return `unknown type: ${type}`;
  const json = JSON.stringify(data);
  if (json.length > EVENT_LENGTH_MAX) return `a huge event: ${type} of ${json.length} characters`;
  if (json.includes('\\u0000') || /\p{Surrogate}/u.test(json) || /[\0\p{Surrogate}]/u.test(id)) return `text that no store takes: ${type}`;
  if (!Number.isFinite(new Date(time).getTime())) return `no time: ${type} at ${time}`;
  const [problem] = dataProblems(type, JSON.parse(json));
  return problem === undefined ? undefined : `not the shape of the catalog: ${type}${problem}`;
}
