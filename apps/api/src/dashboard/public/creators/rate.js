const BUCKET_MS = 2_000;
const BUCKETS = 30;
/** Complete buckets that the rate of now is taken from. */
const RATE_BUCKETS = 5;

/** Counts over the last minute, in buckets of two seconds. */
export class Rate {
  /** Oldest first; the last one is not complete. */
  buckets = Array.from({ length: BUCKETS }, () => 0);
  at = Math.floor(Date.now() / BUCKET_MS);

  add() {
    this.roll();
    this.buckets.push((this.buckets.pop() ?? 0) + 1);
  }

  roll() {
    const now = Math.floor(Date.now() / BUCKET_MS);
    for (let steps = Math.min(BUCKETS, now - this.at); steps > 0; steps--) {
      this.buckets.shift();
      this.buckets.push(0);
    }
    this.at = now;
  }

  /** Per second, over the last ten seconds that are complete. */
  perSecond() {
    this.roll();
    return this.buckets.slice(-1 - RATE_BUCKETS, -1).reduce((sum, value) => sum + value, 0) / ((RATE_BUCKETS * BUCKET_MS) / 1000);
  }

  /** The complete buckets, oldest first. */
  series() {
    this.roll();
    return this.buckets.slice(0, -1);
  }
}
