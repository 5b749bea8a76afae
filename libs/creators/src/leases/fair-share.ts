/** A worker's part of the creators. */
export interface Share {
  /** The worker takes free creators until it holds this many. */
  claimUpTo: number;
  /** The worker gives none away until it holds more than this. */
  keepUpTo: number;
}

/** Tolerance above and below the share, as a part of it, so that small changes move no creators. */
const SLACK = 0.05;
/** Part of its creators that a worker gives away in one interval: of those that are offline, and of those that are live. */
const MOVE_QUIET = 0.25;
const MOVE_LIVE = 0.05;

/**
 * The part of `creators` that a worker of this capacity should hold beside the other living workers. The shares of all
 * add up to no less than all creators, as far as capacity goes, so that every creator can be held.
 */
export function fairShare(creators: number, capacity: number, otherCapacities: readonly number[]): Share {
  const all = otherCapacities.reduce((sum, other) => sum + other, capacity);
  const share = Math.ceil((creators * capacity) / all);
  const slack = Math.floor(share * SLACK);
  return { claimUpTo: Math.min(capacity, share + slack), keepUpTo: Math.min(capacity, share + 2 * slack) };
}

/** How many creators to give away in this interval: quiet ones, and only while none is quiet, live ones. */
export function movesNow(held: { quiet: number; live: number }, share: Share): { quiet: number; live: number } {
  const all = held.quiet + held.live;
  if (all <= share.keepUpTo) return { quiet: 0, live: 0 };
  const excess = all - share.claimUpTo;
  if (held.quiet > 0) return { quiet: Math.min(excess, held.quiet, Math.ceil(all * MOVE_QUIET)), live: 0 };
  return { quiet: 0, live: Math.min(excess, Math.ceil(all * MOVE_LIVE)) };
}
