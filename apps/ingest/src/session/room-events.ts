import type { GapReason } from '@tributary/events';
import type { LiveRoom } from '../discovery/live-detector.js';
import { HANDOVER_IDS_MAX, type HandoverState, type OpenGap, RECENT_IDS_MAX } from '../handover/handover-state.js';
import type { Clock } from '../pacing/clock.js';
import type { CreatorContext } from './creator-context.js';
import type { EventPlace } from './creator-publisher.js';
import type { ConnectionReport } from './message-pipeline.js';

/** Why a worker ends a session. `lost`: another worker has its lease; all others are orderly. */
export type StopReason = 'shutdown' | 'moved' | 'paused' | 'removed' | 'lost';

/** The standby connection that takes a room over, and how many messages it may have received as well. */
export interface HandoverTarget {
  token: string;
  messages: number;
}

/** State for the next holder while the room is received, and after its end. */
const NO_REMAINS = { gap: undefined, ids: undefined, handedTo: undefined } satisfies Partial<HandoverState>;

export interface RoomEventsOptions {
  creator: CreatorContext;
  room: LiveRoom;
  clock: Clock;
  /** A gap that the previous holder left open. */
  gap?: OpenGap;
}

/** The monitor events of one room, and the state that the next holder of the creator finds. Keeps the gap that is open. */
export class RoomEvents {
  private gap: OpenGap | undefined;

  constructor(private readonly options: RoomEventsOptions) {
    this.gap = options.gap;
  }

  /** Ms since 1970 when the open gap begins; undefined when nothing is missing. */
  get gapFrom(): number | undefined {
    return this.gap?.from;
  }

  /** Handle and room, as events and logs name them. */
  get place(): EventPlace {
    return { handle: this.options.creator.record().uniqueId, roomId: this.options.room.roomId };
  }

  /** A gap begins, unless one is open. */
  openGap(from: number, reason: GapReason): void {
    this.gap ??= { from, reason };
  }

  /** The gap is none: a standby connection received everything. */
  dropGap(): void {
    this.gap = undefined;
  }

  /**
   * Publishes the open gap. All times are ms since 1970.
   * @param to its end; now unless given
   * @param lastSeenAt when the room was last known to be on air, if its stream has ended within the gap
   */
  publishGap(to = this.options.clock.now(), lastSeenAt?: number): void {
    const { publisher, status } = this.options.creator;
    if (!this.gap) return;
    publisher.publishGap(this.place, this.gap, Math.max(to, this.gap.from), lastSeenAt);
    status.status.counters.gaps += 1;
    this.gap = undefined;
  }

  live(): void {
    const { creator, room } = this.options;
    const { roomId, userId, title } = room;
    creator.publisher.updateState({ roomId, live: true, room: undefined, ...NO_REMAINS });
    creator.publisher.publishMonitor('monitor.live', this.place, { roomId, userId, title });
  }

  /** @param connection number of this connection to the room, from 1 on */
  connected(connection: number, provider: string): void {
    const { creator, room } = this.options;
    const { roomId } = room;
    const { userId } = creator.status.status;
    creator.publisher.updateState({ roomId, live: true, ...NO_REMAINS });
    const { worker } = creator.status;
    creator.publisher.publishMonitor('monitor.connected', this.place, { roomId, userId, worker, connection, provider });
  }

  /** @param ids of the latest messages, oldest first */
  disconnected(report: ConnectionReport, reason: ConnectionReport['reason'] | StopReason, ids: string[], to?: HandoverTarget): void {
    const { creator, room } = this.options;
    const { code, durationMs, events, lastMessageAt, unreadSince = Infinity, rate } = report;
    this.gap = { from: Math.min(lastMessageAt, unreadSince), reason: gapReasonOf(reason), rate };
    const idsMax = Math.min(HANDOVER_IDS_MAX, (to?.messages ?? 0) + RECENT_IDS_MAX);
    creator.publisher.updateState({ gap: this.gap, ids: ids.slice(-idsMax), handedTo: to?.token });
    const data = { roomId: room.roomId, reason, code, durationMs, events };
    creator.publisher.publishMonitor('monitor.disconnected', this.place, data);
  }

  /** @param retryAt ms since 1970 */
  error(reason: string, message: string, retryAt: number): void {
    const { publisher } = this.options.creator;
    publisher.updateState({ gap: this.gap });
    publisher.publishMonitor('monitor.error', this.place, { reason, message, retryAt: new Date(retryAt).toISOString() });
  }

  /** @param lastSeenAt ms since 1970 when the room was last known to be on air */
  offline(confirmedBy: 'streamEnd' | 'poll', lastSeenAt: number): void {
    const { creator, room, clock } = this.options;
    const { roomId } = room;
    creator.publisher.updateState({ roomId, live: false, room: undefined, ...NO_REMAINS });
    const seenAt = new Date(Math.min(lastSeenAt, clock.now())).toISOString();
    creator.publisher.publishMonitor('monitor.offline', this.place, { roomId, confirmedBy, lastSeenAt: seenAt });
  }
}

/** The reason of the gap that follows such an end. */
export function gapReasonOf(reason: ConnectionReport['reason'] | StopReason): GapReason {
  switch (reason) {
    case 'silence':
    case 'shutdown':
    case 'paused':
      return reason;
    case 'moved':
    case 'lost':
      return 'takeover';
    case 'removed':
      return 'paused';
    default:
      return 'disconnect';
  }
}
