import type { Limits, LimitVerdict, Window, WindowState } from './windows.js';

/** Windows of so many callers are known; those that were used last. */
const KNOWN_MAX = 10_000;

interface Known {
  /** Requests that Redis had counted when it was last asked. */
  used: number;
  /** When the window begins anew, in ms; 0 while it has not begun. */
  endsAt: number;
  /** Requests counted here since. */
  own: number;
}

/**
 * The windows of callers while Redis cannot count: each signer gives its share of what was left when Redis was last asked, so that
 * together they give no more than the limit.
 */
export class LocalWindows {
  private readonly known = new Map<string, Known>();
  private readonly owed = new Map<string, number>();

  /** @param signers how many there are, as far as is known */
  constructor(
    private readonly signers: () => number,
    private readonly now: () => number = Date.now,
  ) {}

  /** Takes over what Redis says of a window. */
  learn(who: string, { window, max, remaining, resetMs }: WindowState): void {
    this.keep(`${who} ${window}`, { used: max - remaining, endsAt: resetMs > 0 ? this.now() + resetMs : 0, own: 0 });
  }

  /** Counts one request in every window, or none where one is full. */
  take(who: string, limits: Limits, windows: readonly Window[], lengths: Limits): LimitVerdict {
    const now = this.now();
    const states = windows.map((window) => {
      const name = `${who} ${window}`;
      const before = this.known.get(name);
      const state = before && (before.endsAt === 0 || before.endsAt > now) ? before : { used: 0, endsAt: 0, own: 0 };
      const left = Math.max(0, limits[window] - state.used);
      return { name, window, state, share: left === 0 ? 0 : Math.max(1, Math.floor(left / this.signers())) };
    });
    const allowed = states.every(({ state, share }) => state.own < share);
    const shown = states.map(({ name, window, state, share }): WindowState => {
      const own = state.own + (allowed ? 1 : 0);
      const endsAt = state.endsAt || (own > 0 ? now + lengths[window] : 0);
      this.keep(name, { used: state.used, endsAt, own });
      return { window, max: limits[window], remaining: Math.max(0, share - own), resetMs: endsAt === 0 ? 0 : endsAt - now };
    });
    if (allowed) this.owe(who, 1);
    return { allowed, counted: false, windows: shown };
  }

  /** Requests that were counted here alone, and are the caller's to have counted: {@link owe} gives back what Redis did not count. */
  takeOwed(who: string): number {
    const count = this.owed.get(who) ?? 0;
    this.owed.delete(who);
    return count;
  }

  owe(who: string, count: number): void {
    this.owed.set(who, (this.owed.get(who) ?? 0) + count);
  }

  private keep(name: string, known: Known): void {
    this.known.delete(name);
    this.known.set(name, known);
    if (this.known.size <= KNOWN_MAX) return;
    const oldest = this.known.keys().next().value;
    if (oldest === undefined) return;
    this.known.delete(oldest);
    this.owed.delete(oldest.slice(0, oldest.lastIndexOf(' ')));
  }
}
