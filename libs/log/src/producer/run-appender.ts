import { randomBytes } from 'node:crypto';
import { backoffMs, pause } from '@tributary/runtime/backoff';
import { LuaScript } from '@tributary/runtime/lua-script';
import type { Redis } from 'ioredis';
import { reasonOf } from '@tributary/runtime/reason';
import { sendEncoded } from './encoded-command.js';
import type { LogKeys } from '../log-keys.js';
import { waitUntilInRedis, type TakenOverRun } from './taken-over-run.js';
import {
  ACCEPTED,
  CREATOR_ARG,
  FENCE_ARG,
  type Item,
  nameOf,
  type PartitionQueue,
  receivedAt,
  REFUSED,
  type RefusedEvent,
} from './partition-queue.js';

const APPEND = new LuaScript(new URL('./append.lua', import.meta.url));
const BATCH_EVENTS_MAX = 500;
const BATCH_BYTES_MAX = 1_048_576;
const NOLEASE_WAIT_MS = 200;
const FULL_WAIT_MS = 500;
/** Delay between two looks whether the store has confirmed everything before lost events. */
const SKIP_WAIT_MS = 250;
/** A fence that was given up is not tried for this long; then one event shows whether its lease is back. */
const ABANDONED_MS = 5_000;
const TAKEN_WAIT_MS = 200;

export interface LogLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Events read back from disk: consecutive ones, the number of the next readable one, or that another process has taken them. */
export type ReadEvents = { events: { args: string[] }[] } | { next: number } | { isTaken: true };
/** Reads a run's events back that are on disk alone, from number `n` on. */
export type ReadBack = (partition: number, n: number, eventsMax: number) => Promise<ReadEvents>;

export interface RunAppenderOptions {
  redis: Redis;
  keys: LogKeys;
  run: string;
  /** For an ended run: the process that replays it, and alone may use its numbers. */
  holder?: string;
  /** Bytes the whole inbox may take in Redis; 0: no bound. */
  inboxBytesMax: number;
  /** One for each partition. */
  queues: readonly PartitionQueue[];
  logger: LogLogger;
  readBack?: ReadBack;
  /** How long events wait for a lease of their creator that is not recorded at all, in ms; for ever when it is not given. */
  noLeaseMsMax?: number;
  /**
   * `isUnreported`: no gap of a new holder contains it. Either no worker holds its creator, or Redis was wiped since, so that
   * the new holder does not know when the last event arrived.
   */
  onRefused(event: RefusedEvent, isUnreported: boolean): void;
  /** Events of this partition are lost that had arrived between these times (ms since 1970). */
  onLost?(partition: number, from: number, to: number): void;
  /** Memory that became free, in bytes. */
  onFreed(bytes: number): void;
  /** Redis failed or is full, so queued events wait longer. */
  onStuck?(): void;
  /** Another process has the run. */
  onTaken?(): void;
}

type Status = 'OK' | 'HOLE' | 'FULL' | 'NOLEASE' | 'TAKEN';
interface Answer {
  status: Status;
  upTo: number;
  stored: number;
  /** Numbers refused; with NOLEASE the creators without a lease. */
  about: (number | string)[];
  /** Of the partition; empty when nothing was looked at. */
  epoch: string;
}

/**
 * Appends the events of one run to the inbox. Each partition has one batch under way at a time, so that numbers arrive in order.
 * When Redis reports a hole, it sends again from the oldest event that is not stored.
 */
export class RunAppender {
  readonly counts = { appended: 0, confirmed: 0, refused: 0, resent: 0, lost: 0, abandoned: 0 };
  private readonly stopped = new AbortController();
  private readonly bytesPerPartition: number;
  /** Creators without a lease, and since when, by the monotonic clock in ms. */
  private readonly leaseless = new Map<string, number>();
  /** Creators whose lease was waited for long enough: the fence that is given up, and until when, by the monotonic clock in ms. */
  private readonly abandoned = new Map<string, { fence: number; until: number }>();
  private readonly scriptKeys: string[][] = [];
  /** By partition: when the newest sent event had arrived, and since when there are lost events that were not reported yet. */
  private readonly lastAt: (number | undefined)[] = [];
  private readonly losing: (number | undefined)[] = [];
  private readonly epochs = randomBytes(6).toString('base64url');
  private calls = 0;
  private complaint: Status | 'error' | undefined;
  private run: string;
  /** Abandoned runs whose events must reach Redis first: until then nothing is sent. */
  private holds = 0;

  constructor(private readonly options: RunAppenderOptions) {
    this.run = options.run;
    this.bytesPerPartition = Math.floor(options.inboxBytesMax / options.keys.partitions);
  }

  /** Sends queued events. The commands of all partitions go out in one write, so that their answers come in one read. */
  flush(): void {
    const { stream } = this.options.redis;
    stream?.cork();
    this.options.queues.forEach((queue, partition) => {
      if (queue.unsent > 0 && this.holds === 0) void this.pump(queue, partition);
    });
    // After the batches are put together, which takes turns of the microtask queue, and before anything else.
    queueMicrotask(() => process.nextTick(() => stream?.uncork()));
  }

  /** Asks what the store has confirmed, and sends queued events. */
  probe(): void {
    this.options.queues.forEach((queue, partition) => {
      if (queue.unconfirmed > 0 && this.holds === 0) void this.pump(queue, partition, true);
    });
  }

  stop(): void {
    this.stopped.abort();
  }

  /**
   * Continues as another run, whose queues were renumbered just now. It first waits until the process that took the old run has
   * appended it, so that a creator's events stay in order; it stops waiting when that process makes no progress.
   */
  async succeed(run: string, left: TakenOverRun): Promise<void> {
    this.run = run;
    this.scriptKeys.length = 0;
    this.holds += 1;
    const fate = await Promise.all(
      left.onDisk.map((upTo, partition) =>
        waitUntilInRedis(upTo, () => this.ask(left.run, partition), {
          signal: this.stopped.signal,
          onAway: (reason) => this.complain('error', partition, reason),
        }),
      ),
    );
    this.holds -= 1;
    for (const [partition, upTo] of fate.entries()) this.loseOnDisk(left, partition, upTo);
    this.flush();
  }

  /** Reports events as lost whose folder was deleted: they were on disk alone, and no process has taken the folder. */
  private loseOnDisk({ run, onDiskAlone }: TakenOverRun, partition: number, inRedis: number): void {
    const lost = onDiskAlone[partition]! - Math.max(0, inRedis);
    if (lost <= 0 || this.stopped.signal.aborted) return;
    this.counts.lost += lost;
    this.losing[partition] ??= this.lastAt[partition] ?? Date.now();
    this.options.logger.error({ run, partition, lost }, 'the folder of spooled events is gone, and nobody has taken it; they are lost');
    if (this.options.queues[partition]!.unsent === 0) this.noted(partition, []);
  }

  /** How far a run was appended in a partition; appends nothing. */
  private ask(run: string, partition: number): Promise<unknown> {
    return APPEND.run(this.options.redis, this.keysOf(partition, run), [run, '1', '0', '0', '', '', '0', '']);
  }

  private async pump(queue: PartitionQueue, partition: number, isProbe = false): Promise<void> {
    if (queue.busy) return;
    queue.busy = true;
    try {
      let again = isProbe || queue.unsent > 0;
      while (again && this.holds === 0 && !this.stopped.signal.aborted) {
        const waitMs = await this.send(queue, partition);
        if (waitMs > 0) await pause(waitMs, this.stopped.signal);
        again = queue.unsent > 0;
      }
    } finally {
      queue.busy = false;
    }
  }

  /** Sends the next batch; returns how long to wait before the next try, in ms. */
  private async send(queue: PartitionQueue, partition: number): Promise<number> {
    let batch: Item[];
    let answer: Answer;
    let first: number;
    let waitMs = 0;
    const { generation } = queue;
    try {
      const next = await this.nextBatch(queue, partition);
      if (queue.generation !== generation) return 0;
      batch = next ?? [];
      if (!next) waitMs = SKIP_WAIT_MS;
      first = queue.sent + 1;
      answer = await this.call(queue, partition, batch);
      if (queue.generation !== generation) return 0;
    } catch (error) {
      if (this.stopped.signal.aborted || queue.generation !== generation) return 0;
      queue.isStuck = true;
      this.complain('error', partition, reasonOf(error));
      this.options.onStuck?.();
      return backoffMs(queue.failures++, { firstMs: 50, maxMs: 1_000 });
    }
    queue.failures = 0;
    const { status, upTo, stored, about, epoch } = answer;
    queue.isStuck = status === 'FULL';
    if (status === 'OK') {
      if (epoch !== '' && queue.epoch !== '' && epoch !== queue.epoch) queue.wipedUpTo = queue.taken;
      if (epoch !== '') queue.epoch = epoch;
      this.accepted(queue, batch, first, Math.min(upTo, first - 1 + batch.length), about.map(Number));
      if (this.complaint) this.options.logger.info({ run: this.run, partition }, 'the inbox takes events again');
      this.complaint = undefined;
    } else if (status === 'HOLE') {
      const resending = queue.sent - queue.confirmed;
      this.options.logger.warn({ partition, known: upTo, resending }, 'Redis lost appended events; sending again what is not stored');
      this.counts.resent += resending;
      queue.sent = queue.confirmed;
      waitMs = 1;
    } else if (status === 'TAKEN') {
      this.options.onTaken?.();
      return TAKEN_WAIT_MS;
    } else {
      this.complain(status, partition);
      if (status === 'FULL') this.options.onStuck?.();
      waitMs = status === 'FULL' ? FULL_WAIT_MS : this.missLeases(about, batch);
    }
    const before = queue.confirmed;
    this.options.onFreed(queue.confirm(stored));
    this.counts.confirmed += queue.confirmed - before;
    return waitMs;
  }

  /** The next events to send, from memory or disk; undefined where lost ones come next and must wait for those before. */
  private async nextBatch(queue: PartitionQueue, partition: number): Promise<Item[] | undefined> {
    const { readBack } = this.options;
    while (queue.sent < queue.base && readBack) {
      const { generation } = queue;
      const read = await readBack(partition, queue.sent + 1, Math.min(BATCH_EVENTS_MAX, queue.base - queue.sent));
      if (queue.generation !== generation) return undefined;
      if ('isTaken' in read) {
        this.options.onTaken?.();
        return undefined;
      }
      if ('events' in read) {
        queue.diskOldestAt = receivedAt(read.events[0]!.args);
        return this.noted(
          partition,
          read.events.map(({ args }) => ({ args, bytes: 0, takenAt: receivedAt(args) })),
        );
      }
      // Redis takes a jump in the numbers only from a run all of whose earlier events are stored.
      if (queue.confirmed < queue.sent) return undefined;
      // An event that is damaged on disk may still be in memory.
      const next = Math.min(read.next, queue.base + 1);
      this.counts.lost += next - 1 - queue.sent;
      this.losing[partition] ??= this.lastAt[partition] ?? (queue.diskOldestAt || Date.now());
      this.options.logger.error(
        { run: this.run, partition, from: queue.sent + 1, to: next - 1 },
        'spooled events cannot be read back; they are lost',
      );
      queue.skipTo(next);
    }
    queue.diskOldestAt = 0;
    return this.noted(partition, queue.slice(queue.sent + 1, BATCH_EVENTS_MAX, BATCH_BYTES_MAX));
  }

  /** Remembers when the events of a batch had arrived: events lost before it arrived between it and the batch before. */
  private noted(partition: number, batch: Item[]): Item[] {
    const from = this.losing[partition];
    if (from !== undefined) {
      this.losing[partition] = undefined;
      this.options.onLost?.(partition, from, batch[0]?.takenAt ?? Date.now());
    }
    const last = batch.at(-1);
    if (last) this.lastAt[partition] = last.takenAt;
    return batch;
  }

  private accepted(queue: PartitionQueue, batch: Item[], first: number, upTo: number, refused: number[]): void {
    // Events sent again were counted when they were appended first.
    this.counts.appended += Math.max(0, upTo - Math.max(queue.judged, first - 1));
    queue.sent = Math.max(queue.sent, upTo);
    const judged = Math.max(queue.judged, first - 1);
    for (const n of queue.judge(upTo, refused)) {
      this.counts.refused += 1;
      const { args } = batch[n - first]!;
      const isAbandoned = this.isAbandoned(args, 0);
      if (isAbandoned) this.counts.abandoned += 1;
      this.options.onRefused(nameOf(args), isAbandoned || n <= queue.wipedUpTo);
    }
    if (this.leaseless.size === 0) return;
    // Their leases are there.
    for (let n = judged + 1; n <= upTo; n += 1) {
      if (queue.refused.has(n)) continue;
      const creator = batch[n - first]!.args[CREATOR_ARG]!;
      this.leaseless.delete(creator);
      this.abandoned.delete(creator);
    }
  }

  /** Whether the fence of an event is given up at `now`. A later fence of its creator is tried at once, this one again in a while. */
  private isAbandoned(args: readonly string[], now = performance.now()): boolean {
    const given = this.abandoned.get(args[CREATOR_ARG]!);
    return given !== undefined && now < given.until && args[FENCE_ARG] !== ACCEPTED && Number(args[FENCE_ARG]) <= given.fence;
  }

  /** Remembers since when creators have no lease; returns how long to wait, in ms. */
  private missLeases(creators: readonly (number | string)[], batch: readonly Item[]): number {
    const { noLeaseMsMax } = this.options;
    if (noLeaseMsMax === undefined) return NOLEASE_WAIT_MS;
    const now = performance.now();
    let waitMs = 1;
    for (const creator of creators.map(String)) {
      const since = this.leaseless.get(creator) ?? now;
      this.leaseless.set(creator, since);
      if (now - since >= noLeaseMsMax) {
        const fences = batch.map(({ args }) => (args[CREATOR_ARG] === creator ? Number(args[FENCE_ARG]) || 0 : 0));
        const fence = Math.max(...fences);
        this.abandoned.set(creator, { fence, until: now + ABANDONED_MS });
      } else waitMs = NOLEASE_WAIT_MS;
    }
    return waitMs;
  }

  private async call(queue: PartitionQueue, partition: number, batch: Item[]): Promise<Answer> {
    const { keys, redis, holder = '' } = this.options;
    const { run } = this;
    const scriptKeys = (this.scriptKeys[partition] ??= this.keysOf(partition, run));
    const first = queue.sent + 1;
    // Differs in each call, which positions rely on: the client never sends a command twice.
    const epoch = `${this.epochs}${(this.calls += 1).toString(36)}`;
    const numbers = [String(first), String(queue.confirmed), String(this.bytesPerPartition)];
    const head = [run, ...numbers, epoch, keys.wake, String(batch.length), holder];
    const events = batch.map((item, at) => this.argsOf(queue, first + at, item));
    const [status, upTo, stored, about, of] = (await this.append(redis, scriptKeys, [head, ...events])) as [
      Status,
      number,
      number,
      Answer['about'],
      string,
    ];
    return { status, upTo, stored, about, epoch: of };
  }

  private keysOf(partition: number, run: string): string[] {
    const { keys } = this.options;
    return [
      keys.inbox(partition),
      keys.leases(partition),
      keys.producers(partition),
      keys.stored(partition),
      keys.epoch(partition),
      keys.handoverState(partition),
      keys.last(partition),
      keys.appended(partition),
      keys.taker(partition, run),
    ];
  }

  /** An event's arguments with the verdict that is known of it in place of its fence. */
  private argsOf(queue: PartitionQueue, n: number, { args }: Item): string[] {
    const fence = args[FENCE_ARG]!;
    const known = n > queue.judged && this.isAbandoned(args) ? REFUSED : queue.fenceOf(n, fence);
    return known === fence ? args : args.with(FENCE_ARG, known);
  }

  private async append(redis: Redis, keys: string[], args: string[][]): Promise<unknown> {
    try {
      return await sendEncoded(redis, 'evalsha', [[APPEND.sha, String(keys.length)], keys, ...args]);
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
      return APPEND.run(redis, keys, args.flat());
    }
  }

  /** Logs a problem once, when it begins. */
  private complain(what: Status | 'error', partition: number, reason?: string): void {
    if (this.complaint === what) return;
    this.complaint = what;
    this.options.logger.warn({ run: this.run, partition, status: what, reason }, 'the inbox does not take events; they wait');
  }
}
