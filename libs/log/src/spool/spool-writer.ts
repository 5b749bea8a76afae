import { backoffMs, pause } from '@tributary/runtime/backoff';
import { reasonOf } from '@tributary/runtime/reason';
import type { PartitionQueue } from '../producer/partition-queue.js';
import type { LogLogger } from '../producer/run-appender.js';
import type { RunFolder } from './run-folder.js';

export interface SpoolWriterOptions {
  folder: RunFolder;
  queues: readonly PartitionQueue[];
  /** Bytes that may still be written. */
  roomBytes(): number;
  /** Bytes of events in memory, and how many may be there before those on disk leave it. */
  memoryBytes(): number;
  evictBytes: number;
  /** An event that is older than this and not in Redis goes to disk, in ms. */
  patienceMs: number;
  logger: LogLogger;
  onEvicted(bytes: number): void;
  /** Another process has taken the folder. From then on another writer uses the queues. */
  onTaken(): void;
}

/** About how much one write takes: small enough to encode in a millisecond. */
const WRITE_BYTES = 262_144;
const WRITE_EVENTS = 1_000;
/** Least time between two rounds of writes; more where there are many partitions, each of which has a file. */
const ROUND_MS_MIN = 20;
const ROUND_MS_PER_PARTITION = 2;
/** Shorter than the silence after which another process takes the folder of a dead one. */
const RETRY = { firstMs: 250, maxMs: 2_000 };

/** Why events could not be written to disk. */
export type SpoolProblem = { kind: 'full' } | { kind: 'failing'; reason: string };

/**
 * Writes the events of the living run to its folder while Redis does not accept them or memory is short, in number order from
 * the oldest that is not stored, one write at a time. While Redis accepts everything it writes nothing and makes no folder.
 */
export class SpoolWriter {
  problem: SpoolProblem | undefined;
  written = 0;
  private loop: Promise<void> | undefined;
  private failures = 0;
  private isFlushing = false;
  private isAbandoned = false;
  private readonly stopped = new AbortController();
  private readonly roundMs: number;

  constructor(private readonly options: SpoolWriterOptions) {
    this.roundMs = Math.max(ROUND_MS_MIN, options.queues.length * ROUND_MS_PER_PARTITION);
  }

  /** Writes what has to be written, until nothing is left. Cheap when there is nothing. */
  wake(): void {
    if (this.loop || this.stopped.signal.aborted || !this.isNeeded) return;
    this.loop = this.run().finally(() => (this.loop = undefined));
  }

  /** From now on writes every event that the store has not confirmed, whatever Redis accepts. */
  secure(): void {
    this.isFlushing = true;
    this.wake();
  }

  /** Stops at once. A write under way may still reach files that another process has taken. */
  async abandon(): Promise<void> {
    this.isAbandoned = true;
    this.stopped.abort();
    await this.loop;
  }

  /**
   * Stops after every event that the store has not confirmed is on disk.
   * @returns events that are neither on disk nor in Redis, when the disk is full or `signal` aborts first
   */
  async stop(signal: AbortSignal): Promise<number> {
    this.isFlushing = true;
    this.stopped.abort();
    const flush = async () => {
      await this.loop;
      while (this.pending() > 0 && !signal.aborted && !this.isAbandoned) {
        if (await this.guarded(() => this.round())) continue;
        if (this.problem?.kind === 'full') break;
        if (this.problem) await pause(RETRY.firstMs);
      }
      if (this.isAbandoned) return;
      if (this.options.queues.every(({ unconfirmed }) => unconfirmed === 0)) await this.options.folder.tend(this.options.queues);
      else await this.options.folder.leave(this.options.queues);
    };
    await Promise.race([this.guarded(flush), aborted(signal)]);
    return this.options.queues.reduce((sum, { taken, sent }, partition) => {
      return sum + Math.max(0, taken - Math.max(sent, this.nextOf(partition) - 1));
    }, 0);
  }

  private get isNeeded(): boolean {
    return !this.options.folder.isEmpty || this.options.queues.some((queue) => this.isDue(queue));
  }

  private isDue(queue: PartitionQueue): boolean {
    if (queue.unconfirmed === 0) return false;
    if (this.isFlushing || queue.isStuck || this.options.memoryBytes() > this.options.evictBytes) return true;
    return Date.now() - (queue.oldestUnsentAt ?? Infinity) > this.options.patienceMs;
  }

  private async run(): Promise<void> {
    while (this.isNeeded && !this.stopped.signal.aborted) {
      const wrote = await this.guarded(() => this.round());
      const waitMs = wrote === undefined ? backoffMs(this.failures, RETRY) : wrote ? 0 : this.roundMs;
      // A round that wrote everything pauses, so that others can use the disk; one with more to write continues.
      await pause(waitMs, this.stopped.signal);
    }
  }

  /** One write for each partition that needs it. True when there is more to write. */
  private async round(): Promise<boolean> {
    const { folder, queues } = this.options;
    let isMore = false;
    let isFull = false;
    for (const [partition, queue] of queues.entries()) {
      if (this.isAbandoned) return false;
      if (!this.isDue(queue)) continue;
      const log = folder.logs[partition]!;
      const from = this.nextOf(partition);
      const items = queue.slice(from, WRITE_EVENTS, WRITE_BYTES);
      if (items.length === 0) continue;
      const bytes = items.reduce((sum, item) => sum + item.bytes, 0);
      if (bytes > this.options.roomBytes()) {
        isFull = true;
        break;
      }
      // All of it was stored meanwhile: a new stretch begins.
      if (!log.isEmpty && log.to < from - 1) await log.release(log.to);
      await folder.make();
      if (this.isAbandoned) return false;
      await log.append(
        from,
        items.map(({ args: [creator, fence, ...rest] }, at) => [creator!, queue.fenceOf(from + at, fence!), ...rest]),
      );
      this.written += items.length;
      isMore ||= queue.taken > log.to;
      this.evict();
    }
    this.evict();
    if (!this.isAbandoned && (await folder.tend(queues)) === 'taken') this.taken();
    if (isFull) this.fail({ kind: 'full' });
    else this.fine();
    return isMore && !isFull;
  }

  /** Number of the first event of a partition that is not on disk and not stored. */
  private nextOf(partition: number): number {
    return Math.max(this.options.folder.logs[partition]!.to, this.options.queues[partition]!.confirmed) + 1;
  }

  /** Events that are not on disk and not stored. */
  private pending(): number {
    return this.options.queues.reduce((sum, { taken }, partition) => sum + Math.max(0, taken - this.nextOf(partition) + 1), 0);
  }

  /** Drops events from memory that are on disk, until enough is free. */
  private evict(): void {
    const { options } = this;
    if (this.isAbandoned) return;
    for (const [partition, queue] of options.queues.entries()) {
      if (options.memoryBytes() <= options.evictBytes) return;
      options.onEvicted(queue.drop(options.folder.logs[partition]!.to));
    }
  }

  /** Undefined when it failed: the failure is logged once, and the write is tried again later. */
  private async guarded<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      if (this.isAbandoned) return undefined;
      if (await this.options.folder.isGone(error)) {
        this.taken();
        return undefined;
      }
      this.failures += 1;
      this.fail({ kind: 'failing', reason: reasonOf(error) });
      // A full disk must not make this owner look dead. The next round finds out whether the folder was taken.
      await this.options.folder.beat().catch(() => undefined);
      return undefined;
    }
  }

  private taken(): void {
    if (this.isAbandoned) return;
    this.isAbandoned = true;
    this.stopped.abort();
    this.options.onTaken();
  }

  private fail(problem: SpoolProblem): void {
    if (this.problem?.kind !== problem.kind) {
      const fields = problem.kind === 'failing' ? { reason: problem.reason } : { bytes: this.options.folder.bytes };
      const what = problem.kind === 'failing' ? 'the spool cannot be written' : 'the spool is full';
      this.options.logger.error(fields, `${what}; events wait in memory, and then become gaps`);
    }
    this.problem = problem;
  }

  private fine(): void {
    if (this.problem) this.options.logger.info({}, 'the spool takes events again');
    this.problem = undefined;
    this.failures = 0;
  }
}

/** Resolves when `signal` aborts, or has. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
