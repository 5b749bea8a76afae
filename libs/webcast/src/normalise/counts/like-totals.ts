/**
 * Likes of one room. TikTok sends a sample of like messages, with totals from several counters. So totals may decrease, and counts
 * sum to a tenth of them. The room's number is the highest total, or the sum of counts where that is higher.
 */
export class LikeTotals {
  private highest = 0;
  private sum = 0;
  /** True since a change that the next holder must know of; cleared by its reader. */
  changed = false;

  /** Adds one message; returns the likes of the room, which never decrease. */
  add(count: number, total: number): number {
    if (count > 0) {
      this.sum += count;
      this.changed = true;
    }
    if (total > this.highest) {
      this.highest = total;
      this.changed = true;
    }
    return this.roomLikes;
  }

  get roomLikes(): number {
    return Math.max(this.highest, this.sum);
  }

  save(): [highest: number, sum: number] {
    return [this.highest, this.sum];
  }

  restore([highest, sum]: readonly [number, number]): void {
    this.highest = highest;
    this.sum = sum;
  }
}
