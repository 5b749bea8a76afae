/** A run without a message for this long is over, whether its end was seen or not. */
export const RUN_SILENCE_MS = 60_000;
/** How long a closed run is remembered, so that a late message of it is not counted again. */
const CLOSED_KEEP_MS = 600_000;
/** Bounds of one room; the longest silent run is forgotten first. */
const OPEN_RUNS_MAX = 1_024;
const CLOSED_RUNS_MAX = 1_024;
const UNGROUPED = '0-';

/** One gift message, as far as counting needs it. */
export interface GiftStep {
  userId: string;
  giftId: string;
  /** The guest it was given to; absent for the host. */
  receiverId?: string;
  /** `0` or empty where TikTok names no run. */
  groupId: string;
  /** Gifts of the run so far, according to the message. */
  repeatCount: number;
  repeatEnd: boolean;
}

export interface CountedGift {
  streakId: string;
  /** Gifts this message adds to what was counted before. */
  count: number;
  streakCount: number;
  final: boolean;
}

interface Run {
  counted: number;
  lastAt: number;
  /** Its end was seen. */
  ended: boolean;
  /** Its streak id without the receiver; only of a run to a guest. */
  base?: string;
}

/** [streak id, gifts counted, ms of the last message, 1 when its end was seen]. */
export type SavedRun = [string, number, number, 0 | 1];

/** Runs for the next holder. */
export interface SavedRuns {
  /** Without receivers, as former versions read them: runs that differ only in the guest are merged here. */
  runs: SavedRun[];
  /** What {@link runs} shows merged, each with its streak id without the receiver. A former version writes none. */
  byReceiver?: [...SavedRun, base: string][];
}

/**
 * Counts the streaks of one room: every gift once, even when messages are lost, late or repeated, or another worker takes over.
 * A run is (group, user, gift, receiver). TikTok gives each run its own group, so a message after the run's end or silence continues
 * the run. Only runs without a group start again then.
 */
export class GiftRuns {
  /** In order of their last message: the oldest are at the front. */
  private readonly open = new Map<string, Run>();
  /** Runs with a group, in order of their closing. */
  private readonly closed = new Map<string, Run>();
  /** Runs from the handover state of a former version, which named them without their receivers. */
  private readonly unnamed = new Set<string>();
  private latestAt = 0;
  /** True since a change that the next holder must know of; cleared by its reader. */
  changed = false;

  get openRuns(): number {
    return this.open.size;
  }

  /** Counts one message of a streak. `now` is its arrival in ms. */
  step(gift: GiftStep, now: number): CountedGift {
    const grouped = gift.groupId !== '' && gift.groupId !== '0';
    const base = grouped ? `${gift.groupId}-${gift.userId}-${gift.giftId}` : `${UNGROUPED}${gift.userId}-${gift.giftId}`;
    const streakId = gift.receiverId === undefined ? base : `${base}-${gift.receiverId}`;
    if (this.unnamed.delete(base) && streakId !== base) this.rename(base, streakId);
    const run = this.find(streakId, grouped, now) ?? { counted: 0, lastAt: now, ended: false };
    if (streakId !== base) run.base = base;
    const wasClosed = this.closed.delete(streakId);
    this.open.delete(streakId);
    const count = Math.max(0, gift.repeatCount - run.counted);
    run.counted += count;
    run.lastAt = Math.max(run.lastAt, now);
    this.latestAt = Math.max(this.latestAt, now);
    const closes = gift.repeatEnd && !wasClosed;
    run.ended ||= gift.repeatEnd;
    if (closes || wasClosed) this.close(streakId, run, grouped);
    else this.keep(this.open, streakId, run, OPEN_RUNS_MAX);
    if (count > 0 || closes) this.changed = true;
    return { streakId, count, streakCount: run.counted, final: closes };
  }

  /** Closes silent runs and forgets old ones; work is proportional to those, not to the runs there are. */
  sweep(now: number): void {
    for (const [id, run] of this.open) {
      if (run.lastAt > now - RUN_SILENCE_MS) break;
      this.open.delete(id);
      this.close(id, run, !id.startsWith(UNGROUPED));
      this.changed = true;
    }
    for (const [id, run] of this.closed) {
      if (run.lastAt > now - CLOSED_KEEP_MS) break;
      this.closed.delete(id);
    }
  }

  /**
   * Runs that a late message could still belong to, for the next holder. A silent run may have had messages while no worker
   * received the room, so it is remembered for as long as here.
   */
  save(): Required<SavedRuns> {
    const late = [...this.closed, ...this.open].filter(
      ([, run]) => run.lastAt > this.latestAt - (run.ended ? RUN_SILENCE_MS : CLOSED_KEEP_MS),
    );
    const guests = new Set(late.flatMap(([, { base }]) => base ?? []));
    const runs = new Map<string, SavedRun>();
    const byReceiver: Required<SavedRuns>['byReceiver'] = [];
    for (const [id, run] of late) {
      const { counted, lastAt, ended, base = id } = run;
      const saved: SavedRun = [id, counted, lastAt, ended ? 1 : 0];
      if (guests.has(base)) byReceiver.push([...saved, base]);
      // The highest count, so that a version without receivers counts too little rather than twice.
      const [, countedBefore, lastBefore, endedBefore] = runs.get(base) ?? saved;
      runs.set(base, [base, Math.max(counted, countedBefore), Math.max(lastAt, lastBefore), ended ? endedBefore : 0]);
    }
    return { runs: [...runs.values()], byReceiver };
  }

  restore({ runs, byReceiver }: SavedRuns): void {
    const merged = new Set(byReceiver?.map(([, , , , base]) => base));
    const all = [...runs.filter(([id]) => !merged.has(id)).map((run) => [...run, run[0]] as const), ...(byReceiver ?? [])];
    for (const [id, counted, lastAt, ended, base] of all.sort((a, b) => a[2] - b[2])) {
      this.latestAt = Math.max(this.latestAt, lastAt);
      const run: Run = { counted, lastAt, ended: ended === 1, ...(base === id ? {} : { base }) };
      this.keep(ended ? this.closed : this.open, id, run, ended ? CLOSED_RUNS_MAX : OPEN_RUNS_MAX);
      if (byReceiver === undefined) this.unnamed.add(id);
    }
  }

  /** Continues a run from the state of a former version, under its name with the receiver. */
  private rename(base: string, streakId: string): void {
    for (const runs of [this.open, this.closed]) {
      const run = runs.get(base);
      if (run) runs.set(streakId, run);
      runs.delete(base);
    }
  }

  private find(streakId: string, grouped: boolean, now: number): Run | undefined {
    const open = this.open.get(streakId);
    if (grouped) return open ?? this.closed.get(streakId);
    return open && open.lastAt > now - RUN_SILENCE_MS ? open : undefined;
  }

  /** A run without a group is forgotten: the next one has the same name. */
  private close(id: string, run: Run, grouped: boolean): void {
    if (grouped) this.keep(this.closed, id, run, CLOSED_RUNS_MAX);
  }

  private keep(runs: Map<string, Run>, id: string, run: Run, max: number): void {
    runs.set(id, run);
    if (runs.size <= max) return;
    const oldest = runs.entries().next().value;
    if (!oldest) return;
    runs.delete(oldest[0]);
    if (runs === this.open) this.close(oldest[0], oldest[1], !oldest[0].startsWith(UNGROUPED));
  }
}
