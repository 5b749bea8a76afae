/** A streak without a message for this long is over, whether its end was seen or not. */
export const STREAK_SILENCE_MS = 60_000;
/** How long a closed streak is remembered, so that a late message of it is not counted again. */
const CLOSED_KEEP_MS = 600_000;
/** Bounds of one room; the longest silent streak is forgotten first. */
const OPEN_STREAKS_MAX = 1_024;
const CLOSED_STREAKS_MAX = 1_024;
const UNGROUPED = '0-';

/** One gift message, as far as counting needs it. */
export interface GiftStep {
  userId: string;
  giftId: string;
  /** The guest it was given to; absent for the host. */
  receiverId?: string;
  /** `0` or empty where TikTok names no streak. */
  groupId: string;
  /** Gifts of the streak so far, according to the message. */
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

interface Streak {
  counted: number;
  lastAt: number;
  /** Its end was seen. */
  ended: boolean;
  /** Its streak id without the receiver; only of a streak to a guest. */
  base?: string;
}

/** [streak id, gifts counted, ms of the last message, 1 when its end was seen]. */
export type SavedStreak = [string, number, number, 0 | 1];

/** Streaks for the next holder. The stored name of the list is `runs`. */
export interface SavedStreaks {
  /** Without receivers, as former versions read them: streaks that differ only in the guest are merged here. */
  runs: SavedStreak[];
  /** What {@link runs} shows merged, each with its streak id without the receiver. A former version writes none. */
  byReceiver?: [...SavedStreak, base: string][];
}

/**
 * Counts the streaks of one room: every gift once, even when messages are lost, late or repeated, or another worker takes over.
 * A streak is (group, user, gift, receiver). TikTok gives each streak its own group, so that a message after its end or silence
 * continues it. Only streaks without a group start again then.
 */
export class GiftStreaks {
  /** In order of their last message: the oldest are at the front. */
  private readonly open = new Map<string, Streak>();
  /** Streaks with a group, in order of their closing. */
  private readonly closed = new Map<string, Streak>();
  /** Streaks from the handover state of a former version, which named them without their receivers. */
  private readonly unnamed = new Set<string>();
  private latestAt = 0;
  /** True since a change that the next holder must know of; cleared by its reader. */
  changed = false;

  get openStreaks(): number {
    return this.open.size;
  }

  /** Counts one message of a streak. `now` is its arrival in ms. */
  step(gift: GiftStep, now: number): CountedGift {
    const grouped = gift.groupId !== '' && gift.groupId !== '0';
    const base = grouped ? `${gift.groupId}-${gift.userId}-${gift.giftId}` : `${UNGROUPED}${gift.userId}-${gift.giftId}`;
    const streakId = gift.receiverId === undefined ? base : `${base}-${gift.receiverId}`;
    if (this.unnamed.delete(base) && streakId !== base) this.rename(base, streakId);
    const streak = this.find(streakId, grouped, now) ?? { counted: 0, lastAt: now, ended: false };
    if (streakId !== base) streak.base = base;
    const wasClosed = this.closed.delete(streakId);
    this.open.delete(streakId);
    const count = Math.max(0, gift.repeatCount - streak.counted);
    streak.counted += count;
    streak.lastAt = Math.max(streak.lastAt, now);
    this.latestAt = Math.max(this.latestAt, now);
    const closes = gift.repeatEnd && !wasClosed;
    streak.ended ||= gift.repeatEnd;
    if (closes || wasClosed) this.close(streakId, streak, grouped);
    else this.keep(this.open, streakId, streak, OPEN_STREAKS_MAX);
    if (count > 0 || closes) this.changed = true;
    return { streakId, count, streakCount: streak.counted, final: closes };
  }

  /** Closes silent streaks and forgets old ones; work is proportional to those, not to the streaks there are. */
  sweep(now: number): void {
    for (const [id, streak] of this.open) {
      if (streak.lastAt > now - STREAK_SILENCE_MS) break;
      this.open.delete(id);
      this.close(id, streak, !id.startsWith(UNGROUPED));
      this.changed = true;
    }
    for (const [id, streak] of this.closed) {
      if (streak.lastAt > now - CLOSED_KEEP_MS) break;
      this.closed.delete(id);
    }
  }

  /**
   * Streaks that a late message could still belong to, for the next holder. A silent streak may have had messages while no worker
   * received the room, so it is remembered for as long as here.
   */
  save(): Required<SavedStreaks> {
    const late = [...this.closed, ...this.open].filter(
      ([, streak]) => streak.lastAt > this.latestAt - (streak.ended ? STREAK_SILENCE_MS : CLOSED_KEEP_MS),
    );
    const guests = new Set(late.flatMap(([, { base }]) => base ?? []));
    const streaks = new Map<string, SavedStreak>();
    const byReceiver: Required<SavedStreaks>['byReceiver'] = [];
    for (const [id, streak] of late) {
      const { counted, lastAt, ended, base = id } = streak;
      const saved: SavedStreak = [id, counted, lastAt, ended ? 1 : 0];
      if (guests.has(base)) byReceiver.push([...saved, base]);
      // The highest count, so that a version without receivers counts too little rather than twice.
      const [, countedBefore, lastBefore, endedBefore] = streaks.get(base) ?? saved;
      streaks.set(base, [base, Math.max(counted, countedBefore), Math.max(lastAt, lastBefore), ended ? endedBefore : 0]);
    }
    return { runs: [...streaks.values()], byReceiver };
  }

  restore({ runs, byReceiver }: SavedStreaks): void {
    const merged = new Set(byReceiver?.map(([, , , , base]) => base));
    const all = [...runs.filter(([id]) => !merged.has(id)).map((streak) => [...streak, streak[0]] as const), ...(byReceiver ?? [])];
    for (const [id, counted, lastAt, ended, base] of all.sort((a, b) => a[2] - b[2])) {
      this.latestAt = Math.max(this.latestAt, lastAt);
      const streak: Streak = { counted, lastAt, ended: ended === 1, ...(base === id ? {} : { base }) };
      this.keep(ended ? this.closed : this.open, id, streak, ended ? CLOSED_STREAKS_MAX : OPEN_STREAKS_MAX);
      if (byReceiver === undefined) this.unnamed.add(id);
    }
  }

  /** Continues a streak from the state of a former version, under its name with the receiver. */
  private rename(base: string, streakId: string): void {
    for (const streaks of [this.open, this.closed]) {
      const streak = streaks.get(base);
      if (streak) streaks.set(streakId, streak);
      streaks.delete(base);
    }
  }

  private find(streakId: string, grouped: boolean, now: number): Streak | undefined {
    const open = this.open.get(streakId);
    if (grouped) return open ?? this.closed.get(streakId);
    return open && open.lastAt > now - STREAK_SILENCE_MS ? open : undefined;
  }

  /** A streak without a group is forgotten: the next one has the same name. */
  private close(id: string, streak: Streak, grouped: boolean): void {
    if (grouped) this.keep(this.closed, id, streak, CLOSED_STREAKS_MAX);
  }

  private keep(streaks: Map<string, Streak>, id: string, streak: Streak, max: number): void {
    streaks.set(id, streak);
    if (streaks.size <= max) return;
    const oldest = streaks.entries().next().value;
    if (!oldest) return;
    streaks.delete(oldest[0]);
    if (streaks === this.open) this.close(oldest[0], oldest[1], !oldest[0].startsWith(UNGROUPED));
  }
}
