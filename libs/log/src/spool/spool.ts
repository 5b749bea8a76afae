import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { reasonOf } from '@tributary/runtime/reason';
import type { LogKeys } from '../log-keys.js';
import type { TakenOverRun } from '../producer/taken-over-run.js';
import type { PartitionQueue } from '../producer/partition-queue.js';
import type { LogLogger, ReadBack } from '../producer/run-appender.js';
import { OrphanedSpools } from './orphaned-spools.js';
import type { LostPeriod } from './replay-losses.js';
import { thisProcess } from './folder-owner.js';
import { type OpenSegment, openSegmentFile } from './partition-log.js';
import { FolderTakenError, RunFolder } from './run-folder.js';
import { aborted, type SpoolProblem, SpoolWriter } from './spool-writer.js';

/** Where events are kept that Redis does not accept, and how many. */
export interface SpoolSettings {
  /** A folder that several workers may share; each run has its own below it. */
  dir: string;
  /** Bytes this process may have on disk, over its own run and those it replays. */
  bytesMax: number;
  /** Bytes of one file; 16 MiB by default. */
  segmentBytesMax?: number;
  /** How long replayed events wait for a lease that is not recorded at all, in ms; 15 s by default. */
  noLeaseMsMax?: number;
  openSegment?: OpenSegment;
}

export interface SpoolOptions extends SpoolSettings {
  redis: Redis;
  keys: LogKeys;
  run: string;
  inboxBytesMax: number;
  queues: readonly PartitionQueue[];
  memoryBytes(): number;
  /** Bytes of memory beyond which events that are on disk leave it. */
  evictBytes: number;
  logger: LogLogger;
  onReplayLost?(stretch: LostPeriod): void;
  onEvicted(bytes: number): void;
  /** Another process has the folder of this run: {@link Spool.succeed}. */
  onTaken(): void;
}

/** Counts of events on disk and of their outcome; bytes where the name says so. */
export interface SpoolStats {
  bytes: number;
  /** Written since the start. */
  written: number;
  /** Runs of dead processes that were found. */
  runs: number;
  /** Events of such runs: appended to the inbox, refused for their fence, given up without any lease, unreadable, still to do. */
  replayed: number;
  refused: number;
  abandoned: number;
  lost: number;
  waiting: number;
  /** Segments that ended within a record, and damaged ones. */
  torn: number;
  corrupt: number;
}

const SEGMENT_BYTES_MAX = 16_777_216;
const NOLEASE_MS_MAX = 15_000;
/** An event this old that Redis has not taken goes to disk. */
const PATIENCE_MS = 1_000;

/**
 * The disk of a producer. Events that Redis does not accept are written here, leave memory when it is short, and outlive the
 * process. The spools of dead processes are replayed.
 */
export class Spool {
  readonly readBack: ReadBack;
  private run: string;
  private folder: RunFolder;
  private writer: SpoolWriter;
  private writtenBefore = 0;
  private isSecuring = false;
  private readonly orphans: OrphanedSpools;
  private readonly damage = { torn: 0, corrupt: 0, missing: 0 };
  private readonly self = thisProcess();
  private unusable: string | undefined;
  /** One read at a time, so that a disk that hangs blocks one thread of the process, not all of them. */
  private lastRead: Promise<unknown> = Promise.resolve();

  constructor(private readonly options: SpoolOptions) {
    const { openSegment = openSegmentFile, segmentBytesMax = SEGMENT_BYTES_MAX } = options;
    this.run = options.run;
    this.folder = this.newFolder();
    this.orphans = new OrphanedSpools({
      ...options,
      holder: options.run,
      livingRun: () => this.run,
      self: this.self,
      segmentBytesMax,
      openSegment,
      noLeaseMsMax: options.noLeaseMsMax ?? NOLEASE_MS_MAX,
      reading: (read) => this.reading(read),
    });
    this.writer = this.newWriter();
    this.readBack = (partition, n, eventsMax) => {
      const log = this.folder.logs[partition]!;
      return this.reading(async () => {
        try {
          return await log.read(n, eventsMax);
        } catch (error) {
          if (error instanceof FolderTakenError) return { isTaken: true };
          throw error;
        }
      });
    };
  }

  /** Begins to look for spools of dead processes. Logs an error when the folder cannot be used. */
  start(): void {
    mkdir(this.options.dir, { recursive: true, mode: 0o700 }).then(
      () => this.orphans.start(),
      (error: unknown) => {
        this.unusable = reasonOf(error);
        this.options.logger.error({ reason: this.unusable }, 'SPOOL_DIR cannot be used; events that Redis does not take stay in memory');
      },
    );
  }

  /** Writes what has to be written, if anything. Cheap: call it often. */
  wake(): void {
    this.writer.wake();
  }

  /** From now on everything that is not confirmed is written. */
  secure(): void {
    this.isSecuring = true;
    this.writer.secure();
  }

  /**
   * Leaves the events on disk to the process that has taken them, and continues under another run in a folder of its own; the
   * queues are renumbered in the same turn.
   */
  succeed(run: string): TakenOverRun {
    const { folder, writer } = this;
    const onDiskAlone = this.options.queues.map(({ base, sent }) => (base > sent ? base : 0));
    const left = { run: this.run, onDisk: folder.logs.map((log) => log.to), onDiskAlone };
    this.writtenBefore += writer.written;
    this.run = run;
    this.folder = this.newFolder();
    this.writer = this.newWriter();
    if (this.isSecuring) this.writer.secure();
    void writer
      .abandon()
      .then(() => folder.abandon())
      .catch((error: unknown) =>
        this.options.logger.warn({ run: left.run, reason: reasonOf(error) }, 'cannot clean up the spool folder of an abandoned run'),
      );
    return left;
  }

  /** Ends, with everything that the store has not confirmed on disk for the next start; bounded by `signal`. */
  async stop(signal: AbortSignal): Promise<void> {
    const [missing] = await Promise.all([this.stopWriter(signal), Promise.race([this.orphans.stop(), aborted(signal)])]);
    const events = this.options.queues.reduce((sum, { unconfirmed }) => sum + unconfirmed, 0);
    if (missing > 0)
      this.options.logger.error({ events, missing }, 'events that Redis has not taken could not all be spooled; these are lost');
    else if (events > 0)
      this.options.logger.info({ events, bytes: this.folder.bytes }, 'unconfirmed events are spooled for the next start');
  }

  stats(): SpoolStats {
    const { torn, corrupt, ...rest } = this.orphans.counts();
    return {
      ...rest,
      bytes: this.bytes,
      written: this.writtenBefore + this.writer.written,
      torn: torn + this.damage.torn,
      corrupt: corrupt + this.damage.corrupt + this.damage.missing,
    };
  }

  /** One sentence when events that should go to disk cannot; else undefined. */
  problem(): string | undefined {
    const problem: SpoolProblem | undefined = this.unusable ? { kind: 'failing', reason: this.unusable } : this.writer.problem;
    if (!problem) return undefined;
    return problem.kind === 'full' ? `the spool is full (${this.bytes} bytes)` : `the spool cannot be used: ${problem.reason}`;
  }

  /** When the folder is taken at this moment, the writer of the next run continues. */
  private async stopWriter(signal: AbortSignal): Promise<number> {
    for (;;) {
      const { writer } = this;
      const missing = await writer.stop(signal);
      if (this.writer === writer) return missing;
    }
  }

  private newFolder(): RunFolder {
    const { dir, keys, logger, openSegment = openSegmentFile, segmentBytesMax = SEGMENT_BYTES_MAX } = this.options;
    const { run, self } = this;
    return new RunFolder({
      path: join(dir, run),
      mark: { run, prefix: keys.prefix, partitions: keys.partitions, owner: self, isLeft: false },
      segmentBytesMax,
      openSegment,
      onDamage: ({ kind, ...where }) => {
        this.damage[kind] += 1;
        logger.error({ damage: kind, ...where }, 'a segment of this run is damaged; the rest of it is not used');
      },
    });
  }

  private newWriter(): SpoolWriter {
    return new SpoolWriter({
      ...this.options,
      folder: this.folder,
      patienceMs: PATIENCE_MS,
      roomBytes: () => this.options.bytesMax - this.bytes,
    });
  }

  private get bytes(): number {
    return this.folder.bytes + this.orphans.bytes;
  }

  private reading<T>(read: () => Promise<T>): Promise<T> {
    const result = this.lastRead.then(read);
    this.lastRead = result.catch(() => undefined);
    return result;
  }
}
