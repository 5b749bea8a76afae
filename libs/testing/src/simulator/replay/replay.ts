import { methodOf } from '../wire/methods.js';
import { Random } from '../traffic/random.js';
import type { RecordedPayload } from './recorded.js';
import type { PreparedMessage, Room } from '../room/room.js';
import { snowflake } from '../wire/message-identity.js';

/** What to replay, and how fast. */
export interface ReplayOptions {
  /** The room to send through; opened, with no traffic of its own, when it is not there. */
  uniqueId: string;
  payloads: RecordedPayload[];
  /** Messages a second; without it as fast as the viewers acknowledge. */
  rate?: number;
  /** Messages in one frame, default 10. */
  perFrame?: number;
}

/** Where a replay stands, as `GET /sim/replay/:id` shows it. */
export interface ReplayProgress {
  id: number;
  uniqueId: string;
  roomId: string;
  total: number;
  sent: number;
  /** Of those, the ones some viewer acknowledged. */
  acked: number;
  done: boolean;
  /** What it waits for at the moment. */
  waitingFor?: 'viewer' | 'ack';
  stopped?: true;
}

interface Job {
  id: number;
  room: Room;
  /** Emptied at the end. */
  messages: PreparedMessage[];
  total: number;
  next: number;
  perFrame: number;
  rate: number | undefined;
  startedAt: number | undefined;
  lastSentAt: number;
  ranges: { first: number; last: number }[];
  waitingFor: 'viewer' | 'ack' | undefined;
  done: boolean;
  stopped: boolean;
  finish: (result: { sent: number; acked: number }) => void;
}

/** Frames in flight to one viewer when acknowledgements set the pace. */
const UNACKED_FRAMES_MAX = 4;
/** A viewer that does not acknowledge gets the next frame after this long. */
const ACK_PATIENCE_MS = 1_000;
const JOBS_KEPT = 100;

/** Sends recorded payloads through real frames of their rooms, in order. Their content is never shown. */
export class Replay {
  private readonly jobs = new Map<number, Job>();
  private readonly random = new Random('replay');
  private nextId = 1;

  constructor(private readonly roomFor: (uniqueId: string) => Room) {}

  /** Begins a replay. It waits for the first viewer of the room, and for the next one when all have gone. */
  start(options: ReplayOptions): { id: number; done: Promise<{ sent: number; acked: number }> } {
    const room = this.roomFor(options.uniqueId);
    const id = this.nextId++;
    let finish: Job['finish'] = () => undefined;
    const done = new Promise<{ sent: number; acked: number }>((resolve) => (finish = resolve));
    this.jobs.set(id, {
      id,
      room,
      messages: options.payloads.map((payload) => this.prepared(payload)),
      total: options.payloads.length,
      next: 0,
      perFrame: options.perFrame ?? 10,
      rate: options.rate,
      startedAt: undefined,
      lastSentAt: 0,
      ranges: [],
      waitingFor: undefined,
      done: false,
      stopped: false,
      finish,
    });
    for (const [oldest, job] of this.jobs) {
      if (this.jobs.size <= JOBS_KEPT) break;
      if (job.done) this.jobs.delete(oldest);
    }
    return { id, done };
  }

  progress(id: number): ReplayProgress | undefined {
    const job = this.jobs.get(id);
    if (!job) return undefined;
    return {
      id,
      uniqueId: job.room.uniqueId,
      roomId: job.room.roomId,
      total: job.total,
      sent: job.next,
      acked: acked(job),
      done: job.done,
      ...(job.waitingFor && !job.done ? { waitingFor: job.waitingFor } : {}),
      ...(job.stopped ? { stopped: true as const } : {}),
    };
  }

  /** Sends what is due now. */
  tick(now: number): void {
    for (const job of this.jobs.values()) if (!job.done) this.advance(job, now);
  }

  /** Ends every replay, or those of one room, where they stand. */
  stop(room?: Room): void {
    for (const job of this.jobs.values()) {
      if (job.done || (room && job.room !== room)) continue;
      job.stopped = true;
      finish(job);
    }
  }

  private advance(job: Job, now: number): void {
    const { room, messages } = job;
    if (!room.live || room.connections.size === 0) {
      job.waitingFor = 'viewer';
      return;
    }
    job.startedAt ??= now;
    let allowed = messages.length;
    if (job.rate !== undefined) allowed = Math.min(allowed, Math.floor(((now - job.startedAt) * job.rate) / 1_000) + 1);
    job.waitingFor = undefined;
    while (job.next < allowed) {
      const waiting = [...room.connections].some((connection) => connection.unackedFrames >= UNACKED_FRAMES_MAX);
      if (job.rate === undefined && waiting && now - job.lastSentAt < ACK_PATIENCE_MS) {
        job.waitingFor = 'ack';
        return;
      }
      const batch = messages.slice(job.next, Math.min(allowed, job.next + job.perFrame));
      job.ranges.push(room.sendPrepared(batch, now));
      job.next += batch.length;
      job.lastSentAt = now;
    }
    const patience = now - job.lastSentAt < ACK_PATIENCE_MS;
    if (job.next === job.total && (!patience || acked(job) === job.total)) finish(job);
  }

  private prepared({ method, payload, msgId }: RecordedPayload): PreparedMessage {
    const id = BigInt(msgId ?? snowflake(Date.now(), this.random.next32()));
    return { method: methodOf(method), payload, high: Number(id >> 32n), low: Number(id & 0xffffffffn) };
  }
}

function finish(job: Job): void {
  job.done = true;
  job.finish({ sent: job.next, acked: acked(job) });
  job.messages = [];
}

function acked(job: Job): number {
  let count = 0;
  for (const { first, last } of job.ranges) for (let n = first; n <= last; n++) if (job.room.ledger.isAcked(n)) count++;
  return count;
}
