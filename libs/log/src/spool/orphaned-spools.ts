import { readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { reasonOf } from '@tributary/runtime/reason';
import { type OwnerMark, isGone, OwnerWatch } from './folder-owner.js';
import type { OpenSegment, SpoolDamage } from './partition-log.js';
import { Replay, type ReplayOptions } from './spool-replay.js';
import { readMark, RunFolder } from './run-folder.js';

export interface OrphanedSpoolsOptions extends Omit<ReplayOptions, 'folder' | 'damage'> {
  dir: string;
  self: OwnerMark;
  /** The run that this process writes now. */
  livingRun(): string;
  segmentBytesMax: number;
  openSegment: OpenSegment;
}

const SCAN_MS = 1_000;
/** Runs replayed at a time: bounds files and memory after many crashes. */
const REPLAYS_MAX = 4;

/**
 * Finds the spools of runs that ended, at the start and while it lives, and replays them. A spool is taken by renaming its
 * folder, which works for one process only.
 */
export class OrphanedSpools {
  readonly totals = { runs: 0, replayed: 0, refused: 0, abandoned: 0, lost: 0, torn: 0, corrupt: 0 };
  private readonly replays = new Map<Replay, Promise<void>>();
  private timer: NodeJS.Timeout | undefined;
  private scanning: Promise<void> | undefined;
  private isStopped = false;
  /** Folders under way. */
  private readonly paths = new Set<string>();
  private readonly warned = new Set<string>();
  private complaint: string | undefined;
  private readonly watch = new OwnerWatch(1.5 * SCAN_MS);

  constructor(private readonly options: OrphanedSpoolsOptions) {}

  start(): void {
    if (this.isStopped) return;
    this.timer ??= setInterval(() => this.look(), SCAN_MS);
    this.look();
  }

  /** Stops; spools that are not replayed stay for the next process. */
  async stop(): Promise<void> {
    this.isStopped = true;
    clearInterval(this.timer);
    await this.scanning;
    for (const replay of this.replays.keys()) replay.stop();
    await Promise.all(this.replays.values());
  }

  /** Bytes of spools under way. */
  get bytes(): number {
    return [...this.replays.keys()].reduce((sum, replay) => sum + replay.bytes, 0);
  }

  /** Totals since the start, with what is under way. */
  counts(): typeof this.totals & { waiting: number } {
    const sum = { ...this.totals, waiting: 0 };
    for (const { counts } of this.replays.keys()) {
      for (const name of ['replayed', 'refused', 'abandoned', 'lost', 'torn', 'corrupt', 'waiting'] as const) sum[name] += counts[name];
    }
    return sum;
  }

  private look(): void {
    this.scanning ??= this.scan()
      .catch((error: unknown) => this.complain(error))
      .finally(() => (this.scanning = undefined));
  }

  private async scan(): Promise<void> {
    const { dir, self, holder, keys, logger, redis } = this.options;
    let names: string[];
    try {
      names = (await readdir(dir, { withFileTypes: true })).filter((entry) => entry.isDirectory()).map(({ name }) => name);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      throw error;
    }
    this.watch.keep(names);
    for (const name of names.sort()) {
      if (this.isStopped || this.replays.size >= REPLAYS_MAX) return;
      const found = await readMark(join(dir, name));
      if (!found) {
        this.warnOnce(name, 'a folder in SPOOL_DIR has no mark that can be read; it is left alone');
        continue;
      }
      const { mark, beat } = found;
      const silentMs = this.watch.look(name, beat);
      const path = join(dir, `${name.split('@')[0]}@${holder}`);
      // Taken before, and its replay failed: replay it again.
      const isOurs = join(dir, name) === path;
      if (mark.run === this.options.livingRun() || this.paths.has(path)) continue;
      // A silent owner may only be stopped. While Redis is away its folder cannot be replayed, so it is not taken.
      const isFree = isOurs || mark.isLeft || isGone(mark.owner, self, 0);
      if (!isFree && !(isGone(mark.owner, self, silentMs) && redis.status === 'ready')) continue;
      if (mark.prefix !== keys.prefix || mark.partitions !== keys.partitions) {
        this.warnOnce(name, 'a folder in SPOOL_DIR belongs to another REDIS_PREFIX or number of PARTITIONS; it is left alone');
        continue;
      }
      try {
        await rename(join(dir, name), path);
      } catch (error) {
        // Another process was first, or this one already replays a part of that run, which must end first.
        if (['ENOENT', 'ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) continue;
        throw error;
      }
      if (!isOurs) this.totals.runs += 1;
      const { segmentBytesMax, openSegment } = this.options;
      const damage = { torn: 0, corrupt: 0, missing: 0 };
      const onDamage = (found: SpoolDamage) => {
        damage[found.kind] += 1;
        const { kind, ...where } = found;
        if (kind === 'torn') logger.warn({ run: mark.run, ...where }, 'a spooled segment ends within a record, as its process did');
        else logger.error({ run: mark.run, damage: kind, ...where }, 'a spooled segment is damaged; the rest of it is not used');
      };
      const owned = { ...mark, owner: self, isLeft: false };
      const folder = new RunFolder({ path, mark: owned, segmentBytesMax, openSegment, onDamage });
      this.begin(path, new Replay({ ...this.options, folder, damage }));
    }
  }

  private begin(path: string, replay: Replay): void {
    this.paths.add(path);
    const ended = replay
      .run()
      .catch((error: unknown) => this.complain(error))
      .then(() => {
        for (const name of ['replayed', 'refused', 'abandoned', 'lost', 'torn', 'corrupt'] as const)
          this.totals[name] += replay.counts[name];
        this.replays.delete(replay);
        this.paths.delete(path);
      });
    this.replays.set(replay, ended);
  }

  /** Logs a problem of the disk once, when it begins. */
  private complain(error: unknown): void {
    const reason = reasonOf(error);
    if (this.complaint !== reason) this.options.logger.error({ reason }, 'spools of runs that ended cannot be read; trying again');
    this.complaint = reason;
  }

  private warnOnce(name: string, message: string): void {
    if (!this.warned.has(name)) this.options.logger.warn({ folder: name }, message);
    this.warned.add(name);
  }
}
