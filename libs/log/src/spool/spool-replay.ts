import { pause } from '@tributary/runtime/backoff';
import type { Redis } from 'ioredis';
import type { LogKeys } from '../log-keys.js';
import { PartitionQueue } from '../producer/partition-queue.js';
import { type LogLogger, RunAppender } from '../producer/run-appender.js';
import type { SpoolDamage } from './partition-log.js';
import { type LostPeriod, ReplayLosses } from './replay-losses.js';
import type { RunFolder } from './run-folder.js';

export interface ReplayOptions {
  folder: RunFolder;
  redis: Redis;
  keys: LogKeys;
  /** Name of this process in Redis, by which other processes know that it replays the run. */
  holder: string;
  inboxBytesMax: number;
  /** How long events wait for a lease that is not recorded at all, in ms. */
  noLeaseMsMax: number;
  /** Wraps reads, so that a slow disk blocks one thread of the process at most. */
  reading<T>(read: () => Promise<T>): Promise<T>;
  logger: LogLogger;
  /** Events that cannot be read back, for each creator that they may be of. */
  onReplayLost?(stretch: LostPeriod): void;
  /** Damaged segments; the owner of the folder counts them. */
  damage: Readonly<Record<SpoolDamage['kind'], number>>;
}

/** Between two looks at how far it is, in ms. */
const TEND_MS = 100;
const PROBE_MS = 250;
/** How long Redis remembers who replays a run; append.lua knows it too. */
const TAKER_S = 604_800;

/**
 * Appends the events of an ended run to the inbox, under the run, numbers and fences that they were recorded with, beside the
 * living run. Redis skips events that it has, and refuses those whose creator has a new holder. Before the first event the run
 * is fenced in Redis: its owner may still live, and can append nothing more under it.
 */
export class Replay {
  private queues: PartitionQueue[] = [];
  private appender: RunAppender | undefined;
  private taken = 0;
  private isLogged = false;
  private isFenced = false;
  private fencing: Promise<void> | undefined;
  private readonly stopped = new AbortController();

  constructor(private readonly options: ReplayOptions) {}

  get bytes(): number {
    return this.options.folder.bytes;
  }

  /** Events that are done: in the inbox, or refused. `abandoned` ones belong to creators without any lease. */
  get counts(): { replayed: number; refused: number; abandoned: number; lost: number; torn: number; corrupt: number; waiting: number } {
    const { appended = 0, refused = 0, lost = 0, abandoned = 0 } = this.appender?.counts ?? {};
    const waiting = this.queues.reduce((sum, { unsent }) => sum + unsent, 0);
    const { torn, corrupt, missing } = this.options.damage;
    return { replayed: appended - refused, refused: refused - abandoned, abandoned, lost, torn, corrupt: corrupt + missing, waiting };
  }

  /** Runs until everything is confirmed by the store or refused, and its folder deleted; or until {@link stop}. */
  async run(): Promise<void> {
    const { folder, logger } = this.options;
    const startedAt = performance.now();
    const verdicts = await folder.adopt();
    this.queues = folder.logs.map((log, partition) => new PartitionQueue(verdicts[partition], log.to));
    this.taken = this.queues.reduce((sum, { unconfirmed }) => sum + unconfirmed, 0);
    const { redis, keys, inboxBytesMax, noLeaseMsMax, holder } = this.options;
    const losses = new ReplayLosses({
      redis,
      keys,
      read: (partition, n, eventsMax) => this.options.reading(() => folder.logs[partition]!.read(n, eventsMax)),
      onLost: (stretch) => this.options.onReplayLost?.(stretch),
    });
    this.appender = new RunAppender({
      redis,
      keys,
      run: folder.mark.run,
      holder,
      inboxBytesMax,
      queues: this.queues,
      logger,
      readBack: losses.readBack,
      noLeaseMsMax,
      onRefused: () => undefined,
      onLost: (partition, _from, to) => losses.end(partition, to),
      onFreed: () => undefined,
      // Fenced by an earlier owner of the folder, or by its present one; then the folder is gone.
      onTaken: () => (this.isFenced = false),
    });
    logger.info({ run: folder.mark.run, events: this.taken, bytes: folder.bytes }, 'replaying the spool of a run that ended');
    try {
      for (let probedAt = 0; !this.stopped.signal.aborted;) {
        if (this.isFenced) this.appender.flush();
        this.logResult(startedAt);
        if ((await folder.tend(this.queues)) !== 'kept') break;
        if (!this.isFenced) this.fencing ??= this.fence().finally(() => (this.fencing = undefined));
        else if (performance.now() - probedAt >= PROBE_MS) {
          this.appender.probe();
          probedAt = performance.now();
        }
        await pause(TEND_MS, this.stopped.signal);
      }
    } finally {
      this.appender.stop();
    }
    if (this.stopped.signal.aborted) await folder.leave(this.queues);
    else if (this.counts.waiting === 0) this.logResult(startedAt);
  }

  stop(): void {
    this.stopped.abort();
    this.appender?.stop();
  }

  /** Fences the run in Redis for this process, while it has the folder. Tries again where Redis does not answer. */
  private async fence(): Promise<void> {
    const { folder, redis, keys, holder } = this.options;
    try {
      await folder.verify();
      for (let partition = 0; partition < keys.partitions; partition += 1) {
        await redis.set(keys.taker(partition, folder.mark.run), holder, 'EX', TAKER_S);
      }
      this.isFenced = true;
    } catch {
      await pause(PROBE_MS, this.stopped.signal);
    }
  }

  /** Logs the result once, when no event is left. */
  private logResult(startedAt: number): void {
    if (this.isLogged || this.counts.waiting > 0) return;
    this.isLogged = true;
    const { waiting: _waiting, ...counts } = this.counts;
    const tookMs = Math.round(performance.now() - startedAt);
    this.options.logger.info(
      { run: this.options.folder.mark.run, events: this.taken, ...counts, tookMs },
      'the spool of a run that ended is replayed; it is kept until the store has confirmed it',
    );
  }
}
