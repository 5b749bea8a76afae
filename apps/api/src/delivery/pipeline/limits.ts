/** Tokens that come back evenly, as many as a second gives. */
export class TokenBucket {
  private tokens: number;
  private at: number;

  /**
   * @param emptyAt when it may have been empty, such as at the last request that another process has sent; full when it never was
   */
  constructor(
    readonly perSecond: number,
    now = Date.now(),
    emptyAt = -Infinity,
  ) {
    this.tokens = Math.min(Math.max(1, perSecond), (Math.max(0, now - emptyAt) * perSecond) / 1_000);
    this.at = now;
  }

  /** Takes a token of each bucket; when one has none, takes none and says in how many ms it has one. */
  static takeAll(buckets: readonly (TokenBucket | undefined)[], now: number): number | undefined {
    const taken: TokenBucket[] = [];
    for (const bucket of buckets) {
      if (!bucket) continue;
      const result = bucket.take(now);
      if (!result.taken) {
        for (const other of taken) other.refund();
        return result.waitMs;
      }
      taken.push(bucket);
    }
    return undefined;
  }

  /** Takes a token; else says in how many ms there will be one. */
  take(now = Date.now()): { taken: true } | { taken: false; waitMs: number } {
    this.tokens = Math.min(Math.max(1, this.perSecond), this.tokens + (Math.max(0, now - this.at) * this.perSecond) / 1_000);
    this.at = now;
    if (this.tokens < 1) return { taken: false, waitMs: Math.ceil(((1 - this.tokens) * 1_000) / this.perSecond) };
    this.tokens -= 1;
    return { taken: true };
  }

  /** Gives back a token that was not used. */
  refund(): void {
    this.tokens += 1;
  }
}

/**
 * Bounds the requests of a process. Half of the permits go to whoever comes; of the other half an endpoint gets no more than
 * its equal share, so that slow ones together cannot keep a quick one out. Who gets none waits in a queue.
 */
export class FairSemaphore {
  private taken = 0;
  private readonly held = new Map<object, number>();
  private readonly queue = new Map<object, () => void>();

  constructor(private readonly permitsMax: number) {}

  get inUse(): number {
    return this.taken;
  }

  get waiting(): number {
    return this.queue.size;
  }

  /** Takes a permit; when there is none for `who`, calls `then` once as soon as there may be, where it may try again. */
  tryAcquire(who: object, then: () => void): boolean {
    if (!this.admits(who)) {
      if (!this.queue.has(who)) this.queue.set(who, then);
      return false;
    }
    this.taken += 1;
    this.held.set(who, (this.held.get(who) ?? 0) + 1);
    return true;
  }

  release(who: object): void {
    this.taken -= 1;
    const left = (this.held.get(who) ?? 1) - 1;
    if (left > 0) this.held.set(who, left);
    else this.held.delete(who);
    for (const [next, then] of this.queue) {
      if (this.taken >= this.permitsMax) return;
      if (!this.admits(next)) continue;
      this.queue.delete(next);
      then();
    }
  }

  /** Gives up waiting for a permit. */
  cancelWait(who: object): void {
    this.queue.delete(who);
  }

  private admits(who: object): boolean {
    if (this.taken >= this.permitsMax) return false;
    const half = this.permitsMax / 2;
    if (this.taken < half) return true;
    const share = Math.max(1, Math.floor(half / (this.held.size + this.queue.size)));
    return (this.held.get(who) ?? 0) < share;
  }
}
