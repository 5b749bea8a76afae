import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { EventDraft } from '@tributary/events';
import { backoffMs } from '@tributary/runtime/backoff';
import type { Redis } from 'ioredis';
import type { LogKeys } from './keys.js';
import { LuaScript } from '@tributary/runtime/lua-script';

const APPEND = new LuaScript(new URL('./append.lua', import.meta.url));
const BATCH_EVENTS_MAX = 500;
const BATCH_BYTES_MAX = 1_048_576;
/** Rough cost of one retained event beyond its strings: array, object, numbers. */
const ITEM_OVERHEAD_BYTES = 300;
/** How often an idle run asks whether the store has confirmed what it appended. */
const PROBE_MS = 250;
const NOLEASE_WAIT_MS = 200;
/** Place of the fence among an event's arguments, and what append.lua reads there once an event was judged. */
const FENCE_ARG = 1;
const ACCEPTED = '';
const REFUSED = '!';

/** Names one refused event; its payload is gone. */
export type RefusedEvent = Pick<EventDraft, 'id' | 'creatorId' | 'type' | 'receivedAt'>;

export interface LogLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface InboxProducerOptions {
  redis: Redis;
  keys: LogKeys;
  /** Unique for each start of a process; numbers count from 1 within it, per partition. */
  run: string;
  flushMs: number;
  /** Bytes of events that are not yet confirmed by the store, over all partitions. */
  retainBytesMax: number;
  /** Bytes the whole inbox may take in Redis; 0: no bound. */
  inboxBytesMax: number;
  logger: LogLogger;
  /** The event's fence is no longer its creator's: somebody else holds the creator, and its events come from there. */
  onRefused(event: RefusedEvent): void;
}

export interface ProducerStats {
  taken: number;
  appended: number;
  confirmed: number;
  refused: number;
  resent: number;
  bytes: number;
  /** ms since 1970 when the oldest event not yet in Redis was taken. */
  oldestUnappendedAt?: number;
}

interface Item extends RefusedEvent {
  args: string[];
  bytes: number;
  takenAt: number;
}

type AppendStatus = 'OK' | 'HOLE' | 'FULL' | 'NOLEASE';

/** The events of one partition from the oldest that is not stored to the newest; `sent` of them are in Redis. */
class PartitionQueue {
  readonly items: Item[] = [];
  sent = 0;
  /** Number of the event before items[0]: all up to it is stored. */
  confirmed = 0;
  busy = false;
  /** The highest number that was ever appended. */
  newest = 0;
  failures = 0;

  get unsent(): number {
    return this.items.length - this.sent;
  }

  /** Drops what the store has committed; returns the bytes that became free. */
  confirm(upTo: number): number {
    const count = Math.min(upTo - this.confirmed, this.sent);
    if (count <= 0) return 0;
    const bytes = this.items.splice(0, count).reduce((sum, item) => sum + item.bytes, 0);
    this.confirmed += count;
    this.sent -= count;
    return bytes;
  }
}

/**
 * The idempotent producer of one worker run. It numbers events per partition, appends them in batches, and keeps each one
 * until the store has confirmed it, because Redis can lose what it acknowledged; what is lost is found by a hole in the
 * numbers and sent again.
 */
export class InboxProducer {
  private readonly queues: PartitionQueue[];
  private readonly bytesPerPartition: number;
  private readonly counts = { taken: 0, appended: 0, confirmed: 0, refused: 0, resent: 0, bytes: 0 };
  private readonly stopped = new AbortController();
  private flushTimer: NodeJS.Timeout | undefined;
  private probeTimer: NodeJS.Timeout | undefined;
  private complaint: AppendStatus | 'error' | undefined;

  constructor(private readonly options: InboxProducerOptions) {
    this.queues = Array.from({ length: options.keys.partitions }, () => new PartitionQueue());
    this.bytesPerPartition = Math.floor(options.inboxBytesMax / options.keys.partitions);
  }

  start(): void {
    this.probeTimer ??= setInterval(() => this.probe(), PROBE_MS);
  }

  /**
   * Takes an event; synchronous. `fence` is the lease under which it was received, `carry` the creator's new state for its next holder.
   * @returns false when memory is full: nothing was taken, and the caller must record the loss as a gap.
   */
  append(draft: EventDraft, fence: string, carry = ''): boolean {
    const data = JSON.stringify(draft.data);
    const bytes = data.length + carry.length + (draft.raw ? draft.raw.length * 1.4 : 0) + ITEM_OVERHEAD_BYTES;
    if (this.stopped.signal.aborted || this.counts.bytes + bytes > this.options.retainBytesMax) return false;
    const queue = this.queues[this.options.keys.partitionOf(draft.creatorId)]!;
    queue.items.push({
      id: draft.id,
      creatorId: draft.creatorId,
      type: draft.type,
      receivedAt: draft.receivedAt,
      takenAt: Date.now(),
      bytes,
      args: [
        draft.creatorId,
        fence,
        carry,
        draft.id,
        draft.type,
        draft.handle,
        draft.roomId,
        String(draft.time),
        String(draft.receivedAt),
        data,
        draft.raw ? Buffer.from(draft.raw).toString('base64') : '',
      ],
    });
    this.counts.bytes += bytes;
    this.counts.taken++;
    this.flushTimer ??= setTimeout(() => this.flush(), this.options.flushMs);
    return true;
  }

  /** Waits until everything taken is in Redis; false when `signal` aborts first. */
  drain(signal: AbortSignal): Promise<boolean> {
    return this.until(() => this.queues.every((queue) => queue.unsent === 0), signal);
  }

  /** Waits until the store has confirmed everything; false when `signal` aborts first. */
  confirmed(signal: AbortSignal): Promise<boolean> {
    return this.until(() => this.queues.every((queue) => queue.items.length === 0), signal);
  }

  /** Ends at once; drain first what should not be left behind. */
  stop(): Promise<void> {
    this.stopped.abort();
    clearInterval(this.probeTimer);
    clearTimeout(this.flushTimer);
    return Promise.resolve();
  }

  stats(): ProducerStats {
    let oldest: number | undefined;
    for (const queue of this.queues) {
      const at = queue.items[queue.sent]?.takenAt;
      if (at !== undefined && (oldest === undefined || at < oldest)) oldest = at;
    }
    return { ...this.counts, oldestUnappendedAt: oldest };
  }

  private flush(): void {
    this.flushTimer = undefined;
    this.queues.forEach((queue, partition) => {
      if (queue.unsent > 0) void this.pump(queue, partition);
    });
  }

  private probe(): void {
    this.queues.forEach((queue, partition) => {
      if (queue.items.length > 0) void this.pump(queue, partition, true);
    });
  }

  /** Sends one queue until it is empty; one batch under way at a time, so that numbers arrive in order. */
  private async pump(queue: PartitionQueue, partition: number, probe = false): Promise<void> {
    if (queue.busy) return;
    queue.busy = true;
    try {
      let again = probe || queue.unsent > 0;
      while (again && !this.stopped.signal.aborted) {
        const waitMs = await this.send(queue, partition);
        if (waitMs > 0) await delay(waitMs, undefined, { signal: this.stopped.signal }).catch(() => undefined);
        again = queue.unsent > 0;
      }
    } finally {
      queue.busy = false;
    }
  }

  /** Sends the next batch; returns how long to wait before the next try, in ms. */
  private async send(queue: PartitionQueue, partition: number): Promise<number> {
    const batch: Item[] = [];
    for (let i = queue.sent, bytes = 0; i < queue.items.length && batch.length < BATCH_EVENTS_MAX && bytes < BATCH_BYTES_MAX; i++) {
      batch.push(queue.items[i]!);
      bytes += queue.items[i]!.bytes;
    }
    const first = queue.confirmed + queue.sent + 1;
    let status: AppendStatus;
    let upTo: number;
    let stored: number;
    let refused: number[];
    try {
      [status, upTo, stored, refused] = await this.call(partition, first, queue.confirmed, batch);
    } catch (error) {
      if (this.stopped.signal.aborted) return 0;
      this.complain('error', partition, error instanceof Error ? error.message : String(error));
      return backoffMs(queue.failures++, { firstMs: 50, maxMs: 1_000 });
    }
    queue.failures = 0;
    let waitMs = 0;
    if (status === 'OK') {
      const added = Math.max(0, upTo - (first - 1));
      queue.sent = Math.min(queue.items.length, queue.sent + Math.min(added, batch.length));
      // Events sent again were counted when they were appended first.
      this.counts.appended += Math.max(0, upTo - Math.max(queue.newest, first - 1));
      queue.newest = Math.max(queue.newest, upTo);
      this.judged(batch, first, upTo, new Set(refused));
      if (this.complaint) this.options.logger.info({ partition }, 'the inbox takes events again');
      this.complaint = undefined;
    } else if (status === 'HOLE') {
      this.options.logger.warn(
        { partition, known: upTo, resending: queue.sent },
        'Redis lost appended events; sending again what is not stored',
      );
      this.counts.resent += queue.sent;
      queue.sent = 0;
      waitMs = 1;
    } else {
      this.complain(status, partition);
      waitMs = status === 'FULL' ? 500 : NOLEASE_WAIT_MS;
    }
    const before = queue.confirmed;
    this.counts.bytes -= queue.confirm(stored);
    this.counts.confirmed += queue.confirmed - before;
    return waitMs;
  }

  /** Keeps the verdict with each event, so that sending it again after a loss does not depend on who holds its creator by then. */
  private judged(batch: Item[], first: number, upTo: number, refused: ReadonlySet<number>): void {
    batch.forEach((item, index) => {
      const fence = item.args[FENCE_ARG];
      if (first + index > upTo || fence === ACCEPTED || fence === REFUSED) return;
      const isRefused = refused.has(first + index);
      item.args[FENCE_ARG] = isRefused ? REFUSED : ACCEPTED;
      if (!isRefused) return;
      this.counts.refused += 1;
      this.options.onRefused(item);
    });
  }

  private async call(
    partition: number,
    first: number,
    confirmed: number,
    batch: Item[],
  ): Promise<[AppendStatus, number, number, number[]]> {
    const { keys, run, redis } = this.options;
    const scriptKeys = [
      keys.inbox(partition),
      keys.leases(partition),
      keys.producers(partition),
      keys.stored(partition),
      keys.epoch(partition),
      keys.carry(partition),
      keys.last(partition),
    ];
    const args: (string | number)[] = [
      run,
      first,
      confirmed,
      this.bytesPerPartition,
      randomBytes(8).toString('hex'),
      keys.wake,
      batch.length,
    ];
    for (const item of batch) args.push(...item.args);
    return (await APPEND.run(redis, scriptKeys, args)) as [AppendStatus, number, number, number[]];
  }

  /** Says a trouble once, when it begins. */
  private complain(what: AppendStatus | 'error', partition: number, reason?: string): void {
    if (this.complaint === what) return;
    this.complaint = what;
    this.options.logger.warn({ partition, status: what, reason }, 'the inbox does not take events; they wait in memory');
  }

  private async until(done: () => boolean, signal: AbortSignal): Promise<boolean> {
    while (!done()) {
      if (signal.aborted || this.stopped.signal.aborted) return false;
      this.flush();
      await delay(10);
    }
    return true;
  }
}
