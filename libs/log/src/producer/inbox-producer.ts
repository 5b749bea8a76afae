import type { EventDraft } from '@tributary/events';
import { pause } from '@tributary/runtime/backoff';
import type { Redis } from 'ioredis';
import type { LogKeys } from '../log-keys.js';
import { PartitionQueue, type RefusedEvent } from './partition-queue.js';
import { type LogLogger, RunAppender } from './run-appender.js';
import type { LostPeriod } from '../spool/replay-losses.js';
import { Spool, type SpoolSettings, type SpoolStats } from '../spool/spool.js';

/** Rough cost of one retained event beyond its strings: array, object, numbers. */
const ITEM_OVERHEAD_BYTES = 300;
/** How often an idle run asks whether the store has confirmed what it appended. */
const PROBE_MS = 250;
/** After a wipe a creator without a lease delays the others of its partition for at most this long. */
const NOLEASE_MS_MAX = 120_000;
/** Shares of the memory: events leave memory for the disk, sockets stop reading, sockets read again. */
const EVICT_SHARE = 0.5;
const HIGH_SHARE = 0.85;
const LOW_SHARE = 0.65;
/** Longest time to write the last events to disk. */
const STOP_MS = 2_500;

export interface InboxProducerOptions {
  redis: Redis;
  keys: LogKeys;
  /** Unique for each start of a process; numbers count from 1 within it, per partition. */
  run: string;
  flushMs: number;
  /** Bytes of events in memory that are not yet confirmed by the store, over all partitions. */
  retainBytesMax: number;
  /** Bytes the whole inbox may take in Redis; 0: no bound. */
  inboxBytesMax: number;
  /** Spool on disk; without it the events in memory are lost with the process. */
  spool?: SpoolSettings;
  logger: LogLogger;
  /**
   * Redis refused the event, since another worker holds its creator now and publishes its events.
   * `isUnreported`: no gap of a new holder contains it, because Redis was wiped or no worker holds the creator.
   */
  onRefused(event: RefusedEvent, isUnreported: boolean): void;
  /** Spooled events that had arrived between these times (ms since 1970) are lost, of creators of this partition. */
  onLost?(partition: number, from: number, to: number): void;
  /** Events in the spool of an ended run cannot be read back; called for each creator that they may belong to. */
  onReplayLost?(stretch: LostPeriod): void;
  /** True: memory is nearly full, so take in less. False: there is room again. */
  onMemoryShort?(isHigh: boolean): void;
}

export interface ProducerStats {
  /** Events taken, appended to the inbox (or refused there), confirmed by the store; each at most as high as the one before. */
  taken: number;
  appended: number;
  confirmed: number;
  refused: number;
  resent: number;
  /** Events of this run that could not be read back from disk. */
  lost: number;
  /** Events that were not taken because memory was full. */
  turnedAway: number;
  /** Bytes in memory. */
  bytes: number;
  /** ms since 1970 when the oldest event not yet in Redis was taken. */
  oldestUnappendedAt?: number;
  /** Undefined without a spool. */
  spool?: SpoolStats;
}

/**
 * The idempotent producer of one worker run. It numbers events per partition, appends them in batches, and keeps each one
 * until the store has confirmed it, because Redis can lose what it acknowledged. A hole in the numbers shows such a loss, and
 * the events are sent again. Events that Redis does not accept, or that memory has no room for, are kept on disk.
 */
export class InboxProducer {
  private readonly queues: PartitionQueue[];
  private readonly appender: RunAppender;
  private readonly spool: Spool | undefined;
  private readonly counts = { taken: 0, turnedAway: 0, bytes: 0 };
  private readonly highBytes: number;
  private readonly lowBytes: number;
  private isHigh = false;
  private isStopped = false;
  /** New runs that this process has begun. */
  private runs = 0;
  private flushTimer: NodeJS.Timeout | undefined;
  private probeTimer: NodeJS.Timeout | undefined;

  constructor(private readonly options: InboxProducerOptions) {
    const { retainBytesMax, spool } = options;
    this.queues = Array.from({ length: options.keys.partitions }, () => new PartitionQueue());
    this.highBytes = retainBytesMax * HIGH_SHARE;
    this.lowBytes = retainBytesMax * LOW_SHARE;
    const onFreed = (bytes: number) => this.free(bytes);
    if (spool && spool.bytesMax > 0) {
      this.spool = new Spool({
        ...options,
        ...spool,
        queues: this.queues,
        memoryBytes: () => this.counts.bytes,
        evictBytes: retainBytesMax * EVICT_SHARE,
        onEvicted: onFreed,
        onTaken: () => this.startNewRun(),
      });
    }
    const readBack = this.spool?.readBack;
    this.appender = new RunAppender({
      ...options,
      queues: this.queues,
      noLeaseMsMax: NOLEASE_MS_MAX,
      readBack,
      onFreed,
      onStuck: () => this.spool?.wake(),
      onTaken: () => this.startNewRun(),
    });
  }

  /** Begins to send, and to replay the spools of dead processes. */
  start(): void {
    this.probeTimer ??= setInterval(() => this.probe(), PROBE_MS);
    this.spool?.start();
  }

  /**
   * Takes an event; synchronous. `fence` is the lease under which it was received, `handoverState` the creator's new state for its next holder.
   * @returns false when memory is full: nothing was taken, and the caller must record the loss as a gap.
   */
  append(draft: EventDraft, fence: string, handoverState = ''): boolean {
    const data = JSON.stringify(draft.data);
    const bytes = data.length + handoverState.length + (draft.raw ? draft.raw.length * 1.4 : 0) + ITEM_OVERHEAD_BYTES;
    if (this.isStopped || this.counts.bytes + bytes > this.options.retainBytesMax) {
      this.counts.turnedAway += 1;
      return false;
    }
    this.queues[this.options.keys.partitionOf(draft.creatorId)]!.items.push({
      takenAt: Date.now(),
      bytes,
      args: [
        draft.creatorId,
        fence,
        handoverState,
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
    this.counts.taken += 1;
    this.flushTimer ??= setTimeout(() => this.flush(), this.options.flushMs);
    if (!this.isHigh && this.counts.bytes > this.highBytes) {
      this.isHigh = true;
      this.options.onMemoryShort?.(true);
    }
    return true;
  }

  /** Waits until everything taken so far is in Redis; false when `signal` aborts first. */
  drain(signal: AbortSignal): Promise<boolean> {
    const taken = this.queues.map((queue) => queue.taken);
    return this.until(() => this.queues.every(({ sent }, partition) => sent >= taken[partition]!), signal);
  }

  /** Waits until the store has confirmed everything taken so far; false when `signal` aborts first. */
  confirmed(signal: AbortSignal): Promise<boolean> {
    const taken = this.queues.map((queue) => queue.taken);
    return this.until(() => this.queues.every(({ confirmed }, partition) => confirmed >= taken[partition]!), signal);
  }

  /** From now on everything that the store has not confirmed goes to disk as it comes: the process may be ended any time. */
  secure(): void {
    this.spool?.secure();
  }

  /**
   * Stops within about 2.5 s. Events that the store has not confirmed are in the spool then, and are sent after the next start.
   * Drain first, so that these are few.
   */
  async stop(): Promise<void> {
    if (this.isStopped) return;
    this.isStopped = true;
    clearInterval(this.probeTimer);
    clearTimeout(this.flushTimer);
    this.appender.stop();
    await this.spool?.stop(AbortSignal.timeout(STOP_MS));
  }

  stats(): ProducerStats {
    let oldest: number | undefined;
    for (const { oldestUnsentAt: at } of this.queues) {
      if (at !== undefined && (oldest === undefined || at < oldest)) oldest = at;
    }
    const { appended, confirmed, refused, resent, lost } = this.appender.counts;
    return { ...this.counts, appended, confirmed, refused, resent, lost, oldestUnappendedAt: oldest, spool: this.spool?.stats() };
  }

  /** One sentence when events that should go to disk cannot; else undefined. */
  spoolProblem(): string | undefined {
    return this.spool?.problem();
  }

  private flush(): void {
    this.flushTimer = undefined;
    this.appender.flush();
  }

  private probe(): void {
    this.appender.probe();
    this.spool?.wake();
  }

  /**
   * Another process has taken the spool of this run, and alone may append under it. Events in memory continue as a new run, from
   * the oldest that is not stored; duplicates are found by their ids. That process sends the events that are on disk alone.
   */
  private startNewRun(): void {
    const { logger, run } = this.options;
    this.runs += 1;
    const next = `${run}.${this.runs}`;
    const none = this.queues.map(() => 0);
    const left = this.spool?.succeed(next) ?? { run, onDisk: none, onDiskAlone: none };
    const unconfirmed = this.queues.map((queue) => {
      const { unjudged, unconfirmed: events } = queue.renumber();
      this.appender.counts.appended += unjudged;
      this.appender.counts.confirmed += events;
      return { events, unjudged };
    });
    const events = unconfirmed.reduce((sum, part) => sum + part.events, 0);
    logger.warn(
      { run: left.run, next, events },
      'another process has taken over the spool of this run; its events come from there, and a new run begins',
    );
    this.spool?.wake();
    void this.appender.succeed(next, left);
  }

  private free(bytes: number): void {
    this.counts.bytes -= bytes;
    if (!this.isHigh || this.counts.bytes > this.lowBytes) return;
    this.isHigh = false;
    this.options.onMemoryShort?.(false);
  }

  private async until(done: () => boolean, signal: AbortSignal): Promise<boolean> {
    while (!done()) {
      if (signal.aborted || this.isStopped) return false;
      this.appender.flush();
      await pause(10);
    }
    return true;
  }
}
