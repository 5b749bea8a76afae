/** Tokens that come back evenly, as many as a second gives. */
export class TokenBucket {
  private tokens: number;
  private at: number;

  constructor(
    readonly perSecond: number,
    now = Date.now(),
  ) {
    this.tokens = Math.max(1, perSecond);
    this.at = now;
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
  giveBack(): void {
    this.tokens += 1;
  }
}

/**
 * How many requests an endpoint may have on the wire: as many as it is configured for while they succeed, half with each
 * failure that costs time, so that one that hangs holds a few places and not its whole share.
 */
export class Window {
  private size: number;

  constructor(private readonly max: number) {
    this.size = max;
  }

  get open(): number {
    return Math.max(1, Math.floor(this.size));
  }

  succeeded(): void {
    this.size = Math.min(this.max, this.size + 1);
  }

  failed(): void {
    this.size = Math.max(1, this.size / 2);
  }
}

/** Bounds the requests of a process. When all places are taken, endpoints wait in line: each gets one place in its turn. */
export class SendGate {
  private taken = 0;
  private readonly line = new Map<object, () => void>();

  constructor(private readonly placesMax: number) {}

  get inUse(): number {
    return this.taken;
  }

  get inLine(): number {
    return this.line.size;
  }

  /** Takes a place; when there is none, calls `then` once in the caller's turn, where it may try again. */
  enter(who: object, then: () => void): boolean {
    // Nobody passes those who wait, unless it is their turn, for which they have left the line.
    if (this.taken < this.placesMax && (this.line.size === 0 || this.turn === who)) {
      this.taken += 1;
      this.turn = undefined;
      return true;
    }
    if (!this.line.has(who)) this.line.set(who, then);
    return false;
  }

  leave(): void {
    this.taken -= 1;
    this.callNext();
  }

  /** Gives up the place in the line. */
  forget(who: object): void {
    this.line.delete(who);
  }

  private turn: object | undefined;

  private callNext(): void {
    while (this.taken < this.placesMax) {
      const [next] = this.line;
      if (!next) return;
      const [who, then] = next;
      this.line.delete(who);
      this.turn = who;
      const before = this.taken;
      then();
      this.turn = undefined;
      // It may have nothing to send any more: then the place goes to the one behind it.
      if (this.taken > before) return;
    }
  }
}
