/** A worker sees some hundred different gifts a day. */
const ENTRIES_MAX = 4_096;

/**
 * Prices of gifts, learnt from the gifts that came with their details. One object may serve all rooms of a process: a gift
 * costs the same in each of them.
 */
export class GiftPrices {
  /** In the order of their last use. */
  private readonly diamonds = new Map<string, number>();

  constructor(private readonly entriesMax = ENTRIES_MAX) {}

  /** Remembers the diamonds of one gift; past the bound, the price that was not used for longest is forgotten. */
  learn(giftId: string, diamonds: number): void {
    this.diamonds.delete(giftId);
    this.diamonds.set(giftId, diamonds);
    if (this.diamonds.size <= this.entriesMax) return;
    const oldest = this.diamonds.keys().next().value;
    if (oldest !== undefined) this.diamonds.delete(oldest);
  }

  /** Diamonds of one gift, where they were learnt. */
  of(giftId: string): number | undefined {
    return this.diamonds.get(giftId);
  }
}
