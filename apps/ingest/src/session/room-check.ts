import type { CreatorRecord } from '@tributary/creators';
import type { ResolveResult } from '@tributary/webcast';
import type { LiveRoom } from './room-session.js';
import type { SessionServices } from './session-services.js';

/**
 * What polls say of a room. `live`: with the room where a poll found it on air or paused, without where none could say;
 * `isEndMistaken`: polls contradict the message that ended its stream. `moved`: the creator is live in another room.
 */
export type RoomVerdict =
  | { kind: 'live'; room?: LiveRoom; isEndMistaken?: true }
  | { kind: 'moved'; room: LiveRoom }
  | { kind: 'ended'; confirmedBy: 'streamEnd' | 'poll' }
  | { kind: 'stopped' };

export interface RoomCheckOptions {
  services: SessionServices;
  /** The record as it is now. */
  record: () => CreatorRecord;
  roomId: string;
}

/** What is known of the room before it is polled. */
export interface KnownOfRoom {
  /** A message has ended its stream. */
  isStreamEnded: boolean;
  /** Failed tries to connect to it, in a row. */
  failures: number;
  /** ms since 1970 when something of it was last received. */
  receivedAt?: number;
}

/** Polls that may contradict a message that ended the stream, before it is taken for a mistake. */
const POLLS_MAX = 4;
/** Failures in a row to connect to a room that is said to be paused, before it counts as ended. */
const PAUSED_FAILURES_MAX = 6;
/** A room that was received this long ago is likely to be on air still. */
const RECEIVED_MS = 60_000;

/** Decides by polls whether a room is still on air. */
export class RoomCheck {
  constructor(private readonly options: RoomCheckOptions) {}

  /**
   * Polls until it is clear whether the room still lives. Its end needs two polls, or one beside the message that ended
   * the stream. When TikTok does not say, the room counts as live, unless its stream was ended.
   */
  async run(known: KnownOfRoom, signal: AbortSignal): Promise<RoomVerdict> {
    const { services, record, roomId } = this.options;
    const { polls, clock, timing } = services;
    const { isStreamEnded } = known;
    const opened = services.secrets(record());
    if (!opened.ok) return { kind: 'live' };
    const { proxy } = opened.secrets;
    // One request for up to 50 rooms, where pages would keep all of them waiting. It may call every room alive, so it counts
    // only beside what we ourselves received a moment ago.
    const isRecent = known.receivedAt !== undefined && clock.now() - known.receivedAt < RECEIVED_MS;
    const isQuick = isRecent && !isStreamEnded && known.failures === 0 && polls.isCrowded(proxy);
    if (isQuick && (await polls.isAlive(roomId, true, signal, proxy))) return { kind: 'live' };
    let offline = 0;
    for (let tries = 0; tries < POLLS_MAX; tries += 1) {
      if (tries > 0 && !(await clock.sleep(timing.confirmMs * (1 + Math.random()), signal))) return { kind: 'stopped' };
      const found = await polls.poll(record().uniqueId, true, signal, proxy);
      if (!found) return { kind: 'stopped' };
      if (found.kind === 'live') {
        if (found.roomId !== roomId) return { kind: 'moved', room: found };
        if (!isStreamEnded) return { kind: 'live', room: found };
      } else if (this.isPaused(found, known)) {
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

  /** Whether the room is said to be neither on air nor ended. Not believed for ever: nothing is received meanwhile. */
  private isPaused(found: ResolveResult, { isStreamEnded, failures }: KnownOfRoom): boolean {
    const isSame = found.kind === 'offline' && found.isOpen === true && found.roomId === this.options.roomId;
    return isSame && !isStreamEnded && failures < PAUSED_FAILURES_MAX;
  }
}
