/** What one message changes in a room's numbers. */
export type Effect =
  | { kind: 'gift'; streak: string | undefined; count: number; diamonds: number }
  | { kind: 'like'; count: number; total: number }
  | { kind: 'viewers'; now: number; total: number }
  | { kind: 'chat' | 'follow' | 'share' | 'join' };

/** A room's numbers, computed by their definition, independent of any client. */
export interface Totals {
  messages: number;
  chats: number;
  joins: number;
  follows: number;
  shares: number;
  /** Gifts given: each step of a streak counts only what it adds. */
  gifts: number;
  diamonds: number;
  /** Sum of the `count` of like messages, and the highest `total` any of them told. */
  likes: number;
  likeTotalMax: number;
  viewers: number;
  viewersTotal: number;
}

/** Streaks whose last count is remembered; a streak silent for so long that 10,000 others began does not go on. */
const STREAKS_MAX = 10_000;

/** Adds up the messages of one room. */
export class TotalsCounter {
  readonly totals: Totals = {
    messages: 0,
    chats: 0,
    joins: 0,
    follows: 0,
    shares: 0,
    gifts: 0,
    diamonds: 0,
    likes: 0,
    likeTotalMax: 0,
    viewers: 0,
    viewersTotal: 0,
  };
  private readonly streaks = new Map<string, number>();

  add(effect: Effect | undefined): void {
    const totals = this.totals;
    totals.messages++;
    switch (effect?.kind) {
      case 'gift': {
        const added = this.giftsAdded(effect.streak, effect.count);
        totals.gifts += added;
        totals.diamonds += added * effect.diamonds;
        break;
      }
      case 'like':
        totals.likes += effect.count;
        totals.likeTotalMax = Math.max(totals.likeTotalMax, effect.total);
        break;
      case 'viewers':
        totals.viewers = effect.now;
        totals.viewersTotal = effect.total;
        break;
      case 'chat':
        totals.chats++;
        break;
      case 'join':
        totals.joins++;
        break;
      case 'follow':
        totals.follows++;
        break;
      case 'share':
        totals.shares++;
        break;
      case undefined:
        break;
    }
  }

  private giftsAdded(streak: string | undefined, count: number): number {
    if (streak === undefined) return count;
    const before = this.streaks.get(streak) ?? 0;
    this.streaks.delete(streak);
    this.streaks.set(streak, Math.max(before, count));
    if (this.streaks.size > STREAKS_MAX) {
      const oldest = this.streaks.keys().next().value;
      if (oldest !== undefined) this.streaks.delete(oldest);
    }
    return Math.max(0, count - before);
  }
}
