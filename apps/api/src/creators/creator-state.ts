import type { CreatorProblem, CreatorState, CreatorStatus, ListedWorker } from '@tributary/creators';
import type { HeldStatus } from './creator-statuses.js';

/** What PostgreSQL says of a creator that decides its state. Times are ms since 1970. */
export interface CreatorFacts {
  paused: boolean;
  /** Since when it is paused; null while it is not, or where that was not recorded. */
  pausedSince: number | null;
  /** When somebody last added, resumed or changed it. */
  updatedAt: number;
}

/** What a worker reported of it, and whether a living worker holds it. */
export type ReportedStatus = HeldStatus & { worker?: ListedWorker };

/** What is known of a creator at the moment. Times are ms since 1970. */
export interface KnownState {
  /** null: what workers say cannot be read. */
  state: CreatorState | null;
  since: number | null;
  /** What its worker says, while a living worker holds it and it is not paused. */
  status?: CreatorStatus;
  /** Whether it is known to be on air now. */
  isLive: boolean;
  problem?: CreatorProblem;
}

/** A creator that nobody has taken for this long is reported to be without a worker: a change takes workers a moment. */
const TAKEN_MS = 15_000;
/** States in which a room is known to be on air; what is older than `checked` says only these. */
const ROOM_STATES: ReadonlySet<CreatorState> = new Set(['connecting', 'live', 'reconnecting', 'gated']);

/**
 * The state of a creator. What is not known is `unknown`, never `offline`: nobody holds it, its worker gives no sign of life, or no poll
 * has been answered yet. A pause is what PostgreSQL says, whatever its worker last reported.
 * @param reported undefined where no worker has reported anything, `unreadable` while Redis does not answer
 */
export function knownState(creator: CreatorFacts, reported: ReportedStatus | 'unreadable' | undefined, now: number): KnownState {
  if (creator.paused) return { state: 'paused', since: creator.pausedSince ?? creator.updatedAt, isLive: false };
  if (reported === 'unreadable') return { state: null, since: null, isLive: false };
  if (reported?.isHeld) {
    const { status } = reported;
    const isLive = status.checked ? status.checked.live : ROOM_STATES.has(status.state);
    return { state: status.state, since: status.since, status, isLive, ...(status.lastError ? { problem: status.lastError } : {}) };
  }
  const since = unheldSince(creator, reported, now);
  const isExpected = now - since < TAKEN_MS && reported?.status.worker === undefined;
  return {
    state: 'unknown',
    since,
    isLive: false,
    ...(isExpected ? {} : { problem: { reason: 'worker-lost', message: unheldText(reported?.status), at: since } }),
  };
}

/** Since when nobody holds it: its worker's last sign of life, or the change after which nobody has taken it. */
function unheldSince({ updatedAt }: CreatorFacts, reported: ReportedStatus | undefined, now: number): number {
  if (!reported) return updatedAt;
  const { status, worker } = reported;
  if (status.state === 'paused') return Math.max(updatedAt, status.since);
  return worker ? now - worker.beatAgeMs : (status.checked?.at ?? status.since);
}

function unheldText(status: CreatorStatus | undefined): string {
  if (!status || status.state === 'paused') return 'no worker has taken it';
  return status.worker === undefined
    ? 'no worker holds it since the last one stopped'
    : `its worker ${status.worker} gives no sign of life`;
}
