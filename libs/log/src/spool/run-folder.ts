import { access, mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Verdicts } from '../producer/partition-queue.js';
import type { OwnerMark } from './folder-owner.js';
import { type OpenSegment, PartitionLog, partitionOfFile, type SpoolDamage } from './partition-log.js';

/** The run whose events a folder contains, and the process that writes or replays it. */
export interface RunMark {
  run: string;
  /** Prefix of the Redis keys and number of partitions: the log that these events belong to. */
  prefix: string;
  partitions: number;
  owner: OwnerMark;
  /** The owner has left the folder to the next process. */
  isLeft: boolean;
}

export interface RunFolderOptions {
  path: string;
  mark: RunMark;
  segmentBytesMax: number;
  openSegment: OpenSegment;
  onDamage: (damage: SpoolDamage) => void;
}

const MARK = 'owner.json';
const PROGRESS = 'progress.json';
/** Interval of changes to the mark; another process counts this one as ended when several are missing. */
const BEAT_MS = 1_000;
const PROGRESS_MS = 250;
const FULL = new Set(['ENOSPC', 'EDQUOT']);
/** Version of both files: another one is left alone. */
const VERSION = 1;
/** More refused events in a row than any spool holds: such a file is damaged. */
const RANGE_MAX = 100_000_000;

/** Another process has taken the folder: bytes written to open files may never be read. */
export class FolderTakenError extends Error {}

/** The folder of one run: a segment log for each partition, its owner's mark, and what the next owner must know. */
export class RunFolder {
  readonly logs: readonly PartitionLog[];
  private isMade = false;
  private isTaken = false;
  /** By the monotonic clock, in ms. */
  private beatAt = -BEAT_MS;
  private savedAt = -PROGRESS_MS;
  private beatTime = 0;
  private saved = '';

  constructor(private readonly options: RunFolderOptions) {
    const { path: folder, mark, segmentBytesMax, openSegment, onDamage } = options;
    this.logs = Array.from(
      { length: mark.partitions },
      (_, partition) => new PartitionLog({ folder, partition, segmentBytesMax, openSegment, onDamage, verify: () => this.verify() }),
    );
  }

  get mark(): RunMark {
    return this.options.mark;
  }

  get bytes(): number {
    return this.logs.reduce((sum, log) => sum + log.bytes, 0);
  }

  get isEmpty(): boolean {
    return this.logs.every((log) => log.isEmpty);
  }

  /** Makes the folder with its mark, where it is not there. */
  async make(): Promise<void> {
    if (this.isMade) return;
    await mkdir(this.options.path, { recursive: true, mode: 0o700 });
    await this.writeMark(false);
    this.isMade = true;
  }

  /** Takes over a folder: its segments, and the progress that its last owner recorded for each partition. */
  async adopt(): Promise<Verdicts[]> {
    const { path } = this.options;
    await this.ifThereIsRoom(() => this.make());
    this.isMade = true;
    const files = new Map<number, { file: string; bytes: number }[]>();
    for (const file of await readdir(path)) {
      const partition = partitionOfFile(file);
      if (partition === undefined || partition >= this.logs.length) continue;
      const { size: bytes } = await stat(join(path, file));
      files.set(partition, [...(files.get(partition) ?? []), { file, bytes }]);
    }
    const progress = await this.readProgress();
    return Promise.all(
      this.logs.map(async (log, partition) => {
        log.adopt(files.get(partition) ?? []);
        await log.recover();
        const { confirmed, judged, refused } = progress.get(partition) ?? { confirmed: 0, judged: 0, refused: new Set<number>() };
        return { confirmed: Math.max(confirmed, log.from - 1, 0), judged, refused };
      }),
    );
  }

  /**
   * Deletes stored events, changes the owner's mark, and records the progress. Call it at least once a second.
   * @returns `gone` where no event is left and the folder was deleted; `taken` where another process has the folder
   */
  async tend(queues: readonly Verdicts[]): Promise<'kept' | 'gone' | 'taken'> {
    if (this.isTaken) return 'taken';
    for (const [partition, log] of this.logs.entries()) await log.release(queues[partition]!.confirmed);
    if (!this.isMade) return 'gone';
    if (this.isEmpty) {
      await this.remove();
      return 'gone';
    }
    try {
      await this.beat();
      if (performance.now() - this.savedAt >= PROGRESS_MS) await this.saveProgress(queues);
    } catch (error) {
      if (!(await this.isGone(error))) throw error;
      return 'taken';
    }
    return 'kept';
  }

  /**
   * Ensures that events written so far will be found by the next owner of the folder.
   * @throws FolderTakenError when another process has it already
   */
  async verify(): Promise<void> {
    if (!this.isMade) return;
    try {
      await access(join(this.options.path, MARK));
    } catch (error) {
      if (!(await this.isGone(error))) throw error;
    }
    if (this.isTaken) throw new FolderTakenError('another process has this folder');
  }

  /** Whether an error of the file system is due to a folder that another process has taken. */
  async isGone(error: unknown): Promise<boolean> {
    if (this.isTaken || error instanceof FolderTakenError) return true;
    if (!this.isMade || (error as NodeJS.ErrnoException).code !== 'ENOENT') return false;
    try {
      await access(join(this.options.path, MARK));
    } catch (missing) {
      this.isTaken = (missing as NodeJS.ErrnoException).code === 'ENOENT';
    }
    return this.isTaken;
  }

  /** Closes the folder for good: its next owner appends what is in it to Redis. */
  async abandon(): Promise<void> {
    for (const log of this.logs) await log.close();
    if (this.isMade && !this.isTaken) await this.writeMark(true);
    this.isTaken = true;
  }

  /** Changes the mark, to show that the owner lives; needs no room on the disk. */
  async beat(): Promise<void> {
    const now = performance.now();
    if (!this.isMade || now - this.beatAt < BEAT_MS) return;
    // Others compare for a change only, and see one even where this clock was set back.
    this.beatTime = Math.max(Date.now(), this.beatTime + 1);
    await utimes(join(this.options.path, MARK), this.beatTime / 1000, this.beatTime / 1000);
    this.beatAt = now;
  }

  /** Leaves the folder to the next process. */
  async leave(queues: readonly Verdicts[]): Promise<void> {
    if (!this.isMade) return;
    for (const log of this.logs) await log.close();
    try {
      await this.saveProgress(queues);
      await this.writeMark(true);
    } catch (error) {
      if (!(await this.isGone(error))) throw error;
    }
  }

  private async remove(): Promise<void> {
    this.isMade = false;
    this.saved = '';
    await rm(this.options.path, { recursive: true, force: true });
  }

  private async saveProgress(queues: readonly Verdicts[]): Promise<void> {
    const partitions = this.logs.flatMap((log, partition) => {
      const { confirmed, judged, refused } = queues[partition]!;
      return log.isEmpty ? [] : [{ partition, confirmed, judged, refused: ranges(refused) }];
    });
    const text = JSON.stringify({ version: VERSION, partitions });
    this.savedAt = performance.now();
    if (text === this.saved) return;
    await this.ifThereIsRoom(async () => {
      await this.replace(PROGRESS, text);
      this.saved = text;
    });
  }

  /** Marks and progress only save the next owner work. They may fail on a full disk, since a replay frees that disk. */
  private async ifThereIsRoom(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!FULL.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  }

  /** Unreadable progress counts as missing: fences are then checked again, and Redis skips what it has. */
  private async readProgress(): Promise<Map<number, Verdicts>> {
    const value = await readJson(join(this.options.path, PROGRESS));
    const known = new Map<number, Verdicts>();
    for (const entry of Array.isArray(value?.partitions) ? (value.partitions as Record<string, unknown>[]) : []) {
      const { partition, confirmed, judged, refused } = entry;
      if (typeof partition !== 'number' || typeof confirmed !== 'number' || typeof judged !== 'number') continue;
      known.set(partition, { confirmed, judged, refused: numbers(refused) });
    }
    return known;
  }

  private async writeMark(isLeft: boolean): Promise<void> {
    await this.replace(MARK, JSON.stringify({ version: VERSION, ...this.options.mark, isLeft }));
    this.beatAt = performance.now();
  }

  /** Replaces a file atomically: it is the old one or the new one, whenever the process ends. */
  private async replace(name: string, text: string): Promise<void> {
    const path = join(this.options.path, name);
    await writeFile(`${path}.new`, text, { mode: 0o600 });
    await rename(`${path}.new`, path);
  }
}

/** Reads the mark of a folder, and a text that changes with each update by its owner; undefined when no mark can be read. */
export async function readMark(path: string): Promise<{ mark: RunMark; beat: string } | undefined> {
  const file = join(path, MARK);
  const value = await readJson(file);
  if (!value) return undefined;
  const { run, prefix, partitions, owner, isLeft } = value as unknown as RunMark;
  if (typeof run !== 'string' || typeof prefix !== 'string' || typeof partitions !== 'number' || typeof owner !== 'object')
    return undefined;
  try {
    const { mtimeNs, ino } = await stat(file, { bigint: true });
    return { mark: { run, prefix, partitions, owner, isLeft }, beat: `${ino} ${mtimeNs}` };
  } catch {
    return undefined;
  }
}

async function readJson(path: string): Promise<Record<string, unknown> | undefined> {
  try {
    const value = JSON.parse(await readFile(path, 'utf8')) as unknown;
    return typeof value === 'object' && value !== null && 'version' in value && value.version === VERSION ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Rising numbers as pairs of first and last. */
function ranges(rising: Iterable<number>): [number, number][] {
  const pairs: [number, number][] = [];
  for (const n of rising) {
    const last = pairs.at(-1);
    if (last && n === last[1] + 1) last[1] = n;
    else pairs.push([n, n]);
  }
  return pairs;
}

function numbers(pairs: unknown): Set<number> {
  const set = new Set<number>();
  for (const pair of Array.isArray(pairs) ? (pairs as unknown[]) : []) {
    if (!Array.isArray(pair) || Number(pair[1]) - Number(pair[0]) > RANGE_MAX) continue;
    for (let n = Number(pair[0]); n <= Number(pair[1]); n += 1) set.add(n);
  }
  return set;
}
