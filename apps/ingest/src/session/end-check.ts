import type { LiveRoom } from '../discovery/live-detector.js';
import type { LivenessPoller, PollResult } from '../discovery/liveness-poller.js';
import type { Clock } from '../pacing/clock.js';
import type { CreatorContext } from './creator-context.js';

/** Polls that may contradict a message that ended the stream, before the message counts as a mistake. */
const POLLS_MAX = 4;
/** Between two polls that confirm an end. */
const CONFIRM_MS = 2_000;
/** Failures in a row to connect to a room that is reported to be paused, before it counts as ended. */
const PAUSED_FAILURES_MAX = 6;
/** A room that was received this long ago is likely to be on air still. */
const RECEIVED_MS = 60_000;

/** What is known of the room before the check. */
export interface RoomEvidence {
  /** The last connection ended with the message that ends the stream. */
  isStreamEnded: boolean;
  /** Tries to connect that failed, in a row. */
  failures: number;
  /** ms since 1970 of the last message that was received; undefined where nothing is missing. */
  lastReceivedAt?: number;
}

/**
 * `live`: connect again. It has the room where a poll found it on air or paused, and none where TikTok names no state.
 * `isEndMistaken`: polls contradict the message that ended the stream. `moved`: the creator is live in another room.
 */
export type EndCheckResult =
  | { kind: 'live'; room?: LiveRoom; isEndMistaken?: true }
  | { kind: 'moved'; room: LiveRoom }
  | { kind: 'ended'; confirmedBy: 'streamEnd' | 'poll' }
  | { kind: 'stopped' };

export interface EndCheckOptions {
  creator: CreatorContext;
  roomId: string;
  poller: LivenessPoller;
  clock: Clock;
}

/** Finds out whether a room that is not connected has ended. */
export class EndCheck {
  constructor(private readonly options: EndCheckOptions) {}

  /**
   * Polls until it is clear. An end needs two polls, or one poll beside the message that ended the stream. When TikTok names
   * no state, the room counts as live, unless its stream was ended.
   */
  async run(evidence: RoomEvidence, signal: AbortSignal): Promise<EndCheckResult> {
    const { creator, roomId, poller, clock } = this.options;
    const { isStreamEnded } = evidence;
    if (this.isQuickCheckEnough(evidence) && (await poller.isAlive(creator.record(), roomId, true, signal))) return { kind: 'live' };
    let offline = 0;
    for (let polls = 0; polls < POLLS_MAX; polls += 1) {
      if (polls > 0 && !(await clock.sleep(CONFIRM_MS * (1 + Math.random()), signal))) return { kind: 'stopped' };
      const found = await poller.poll(creator.record(), true, signal);
      if (!found) return { kind: 'stopped' };
      if (found.kind === 'secrets-unreadable') return { kind: 'live' };
      if (found.kind === 'live') {
        if (found.roomId !== roomId) return { kind: 'moved', room: found };
        if (!isStreamEnded) return { kind: 'live', room: found };
      } else if (this.isPaused(found, evidence)) {
        return { kind: 'live', room: { roomId } };
      } else if (found.kind === 'offline' || found.kind === 'not-found') {
        offline += 1;
        if (isStreamEnded) return { kind: 'ended', confirmedBy: 'streamEnd' };
        if (offline >= 2) return { kind: 'ended', confirmedBy: 'poll' };
      } else {
        return isStreamEnded ? { kind: 'ended', confirmedBy: 'streamEnd' } : { kind: 'live' };
      }
    }
    return { kind: 'live', isEndMistaken: true };
  }

  /** Whether the room is still on air, as far as TikTok says. For a room that waits for a sign call. */
  async isOnAir(signal: AbortSignal): Promise<boolean> {
    const { creator, roomId, poller } = this.options;
    return (await poller.isAlive(creator.record(), roomId, false, signal)) !== false;
  }

  /**
   * One batched request covers 50 rooms, while polls of single pages would keep all of them waiting. It may call every room
   * alive, so it counts only for a room that was received a moment ago.
   */
  private isQuickCheckEnough({ isStreamEnded, failures, lastReceivedAt }: RoomEvidence): boolean {
    const { creator, poller, clock } = this.options;
    const isRecent = lastReceivedAt !== undefined && clock.now() - lastReceivedAt < RECEIVED_MS;
    return isRecent && !isStreamEnded && failures === 0 && poller.isCrowded(creator.record());
  }

  /** Whether TikTok calls the room neither on air nor ended. Not trusted for ever, because nothing is received meanwhile. */
  private isPaused(found: PollResult, { isStreamEnded, failures }: RoomEvidence): boolean {
    const isSame = found.kind === 'offline' && found.isOpen === true && found.roomId === this.options.roomId;
    return isSame && !isStreamEnded && failures < PAUSED_FAILURES_MAX;
  }
}
