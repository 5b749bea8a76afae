import { backoffMs, type Logger, pause, reasonOf } from '@tributary/runtime';

export interface GroupCommitOptions<T> {
  name: string;
  /** A group is committed after this time at the latest, while no other is under way. */
  waitMs: number;
  /** A group of this size is committed at once. */
  groupSize: number;
  /**
   * Commits a group; it is tried again with backoff until it succeeds, so it must be idempotent. One item that the
   * database refuses is found by halving the group, and dropped with an error in the log.
   */
  commit(group: readonly T[]): Promise<void>;
  logger: Logger;
}

const RETRY = { firstMs: 100, maxMs: 5_000 };

/** Gathers small writes into transactions. What is added is kept until it is committed. */
export class GroupCommit<T> {
  private gathered: T[] = [];
  private timer: NodeJS.Timeout | undefined;
  private committing: Promise<void> | undefined;
  private readonly stopping = new AbortController();
  /** Items since the start: added, and committed or dropped. */
  private readonly counts = { added: 0, done: 0 };

  constructor(private readonly options: GroupCommitOptions<T>) {}

  /** What is added and not committed. */
  get size(): number {
    return this.counts.added - this.counts.done;
  }

  add(item: T): void {
    this.gathered.push(item);
    this.counts.added += 1;
    this.consider();
  }

  /** Resolves when everything added so far is committed; false when it was stopped before. */
  async settled(): Promise<boolean> {
    const { added } = this.counts;
    while (this.counts.done < added && !this.stopping.signal.aborted) {
      this.flush();
      await this.committing;
    }
    return this.counts.done >= added;
  }

  /** Commits what is there, trying for at most `ms`, and ends. */
  async stop(ms: number): Promise<void> {
    const timer = setTimeout(() => this.stopping.abort(), ms);
    await this.settled();
    clearTimeout(timer);
    clearTimeout(this.timer);
    this.stopping.abort();
    await this.committing;
  }

  private flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.gathered.length === 0) return;
    this.committing ??= this.run().finally(() => {
      this.committing = undefined;
      if (this.gathered.length > 0 && !this.stopping.signal.aborted) this.consider();
    });
  }

  private consider(): void {
    if (this.gathered.length >= this.options.groupSize) this.flush();
    else this.timer ??= setTimeout(() => this.flush(), this.options.waitMs);
  }

  private async run(): Promise<void> {
    const group = this.gathered;
    this.gathered = [];
    const { name, logger } = this.options;
    for (let failures = 0; ; failures++) {
      try {
        await this.commitParts(group);
        this.counts.done += group.length;
        if (failures > 0) logger.info({ what: name, failures }, 'write succeeded after retries');
        return;
      } catch (error) {
        if (failures === 0)
          logger.warn({ what: name, items: group.length, reason: reasonOf(error) }, 'rows cannot be written now; trying again');
        if (!(await pause(backoffMs(failures, RETRY), this.stopping.signal))) return;
      }
    }
  }

  private async commitParts(group: readonly T[]): Promise<void> {
    try {
      await this.options.commit(group);
    } catch (error) {
      if (!isDataError(error)) throw error;
      if (group.length === 1) {
        this.options.logger.error({ err: error, what: this.options.name }, 'PostgreSQL rejects this row permanently; it is dropped');
        return;
      }
      const middle = Math.ceil(group.length / 2);
      await this.commitParts(group.slice(0, middle));
      await this.commitParts(group.slice(middle));
    }
  }
}

/** Classes 22 (data exception) and 23 (integrity constraint) blame the item; everything else is the database's own trouble. */
function isDataError(error: unknown): boolean {
  return /^2[23]/.test((error as { code?: string }).code ?? '');
}
