import type { UnwatchedReason } from '@tributary/events';
import type { Pool } from 'pg';
import type { HeldStatus } from '../../creators/creator-statuses.js';
import { daysBetween, inDaysOrFar } from '../log-ranges.js';
import type { SystemEvent, SystemEventWriter } from '../writer/system-event-writer.js';

/** A room whose session counts as live. Times are ms since 1970, ages ms by the clock of the database. */
export interface OpenRoom {
  roomId: string;
  creatorId: string;
  handle: string;
  /** Arrival of its newest stored event, and of the newest of TikTok's own. */
  lastEventAt: number;
  lastSeenAt: number;
  /** Since its newest event. */
  idleMs: number;
  /** Since its creator was paused or removed, or changed otherwise. */
  changedMs: number;
  creator: 'watched' | 'paused' | 'removed';
}

/** How long a room must have been unwatched before that is reported: workers report it themselves within seconds where they can. */
const REPORT_AFTER_MS: Record<UnwatchedReason, number> = {
  paused: 15_000,
  removed: 15_000,
  // A dead worker's creators are taken over within 15 s.
  'no-worker': 120_000,
  'end-missed': 60_000,
  'not-received': 60_000,
};
/** A room of which nothing was stored for this long, and which its worker does not receive, is reported as such. */
const NOT_RECEIVED_MS = 1_800_000;
/** Rooms that one round looks at, and ends. */
const ROOMS_MAX = 20_000;
const ENDS_MAX = 500;
const DAY_MS = 86_400_000;

/** Why a live room is not watched, as far as is known; undefined while it is watched. `reported`: undefined where no worker has reported anything. */
export function unwatchedReason(room: OpenRoom, reported: HeldStatus | undefined): UnwatchedReason | undefined {
  if (room.creator !== 'watched') return room.creator;
  if (!reported?.isHeld) return 'no-worker';
  const { state, roomId } = reported.status;
  if (state === 'offline' || (roomId !== undefined && roomId !== room.roomId)) return 'end-missed';
  // A live stream that is paused brings nothing for long; one that wants a login is found on air by polls.
  const isReceived = state === 'live' || state === 'gated';
  return !isReceived && room.idleMs >= NOT_RECEIVED_MS ? 'not-received' : undefined;
}

const OPEN_ROOMS = `
select s.room_id as "roomId", s.creator_id as "creatorId", s.handle,
  (extract(epoch from s.last_event_at) * 1000)::float8 as "lastEventAt",
  (extract(epoch from coalesce(s.last_live_at, s.last_event_at)) * 1000)::float8 as "lastSeenAt",
  (extract(epoch from now() - s.last_event_at) * 1000)::float8 as "idleMs",
  coalesce((extract(epoch from now() - c.updated_at) * 1000)::float8, 'infinity') as "changedMs",
  case when c.id is null or c.deleted_at is not null then 'removed' when c.paused then 'paused' else 'watched' end as creator
from sessions s left join creators c on c.id = s.creator_id
where s.ended_at is null and s.last_event_at < now() - make_interval(secs => $1) order by s.last_event_at limit $2`;

export interface UnwatchedRoomsOptions {
  pool: Pool;
  events: Pick<SystemEventWriter, 'commit'>;
  /** What workers report of creators, in the order of `ids`. */
  statuses: (ids: readonly string[]) => Promise<(HeldStatus | undefined)[]>;
  onUnwatched?: (reason: UnwatchedReason, rooms: number) => void;
  /** Monotonic, in ms. */
  now?: () => number;
}

/**
 * Ends the sessions of rooms that nobody watches any more and that have no worker to report it. It writes
 * `monitor.unwatched`, and the counting of sessions ends them by that. Nothing is reported on what cannot be read.
 */
export class UnwatchedRooms {
  /** Rooms that looked unwatched, why, and since when they have without a break. */
  private readonly seen = new Map<string, { reason: UnwatchedReason; since: number }>();
  private readonly now: () => number;

  constructor(private readonly options: UnwatchedRoomsOptions) {
    this.now = options.now ?? (() => performance.now());
  }

  /** Looks once; returns how many rooms were reported. @throws where PostgreSQL or Redis does not answer */
  async round(): Promise<number> {
    const { pool, statuses, events, onUnwatched } = this.options;
    const idleS = Math.min(...Object.values(REPORT_AFTER_MS)) / 1000;
    const { rows } = await pool.query<OpenRoom>(OPEN_ROOMS, [idleS, ROOMS_MAX]);
    const watched = rows.filter(({ creator }) => creator === 'watched');
    const statusOf = new Map((await statuses(watched.map(({ creatorId }) => creatorId))).map((one, i) => [watched[i]!.creatorId, one]));
    const due = this.due(rows, statusOf).slice(0, ENDS_MAX);
    if (due.length === 0) return 0;
    let written: typeof due = [];
    await events.commit(async ({ seq }) => {
      const changed = await this.changed(due, seq);
      written = due.filter(({ room }) => !changed.has(room.roomId));
      return written.map(({ room, reason }) => eventOf(room, reason));
    });
    for (const { room } of due) this.seen.delete(room.roomId);
    for (const reason of new Set(written.map((one) => one.reason)))
      onUnwatched?.(reason, written.filter((one) => one.reason === reason).length);
    return written.length;
  }

  private due(rooms: OpenRoom[], statusOf: ReadonlyMap<string, HeldStatus | undefined>): { room: OpenRoom; reason: UnwatchedReason }[] {
    const now = this.now();
    const due: { room: OpenRoom; reason: UnwatchedReason }[] = [];
    const open = new Set<string>();
    for (const room of rooms) {
      const reason = unwatchedReason(room, statusOf.get(room.creatorId));
      if (reason === undefined) continue;
      open.add(room.roomId);
      const before = this.seen.get(room.roomId);
      const since = before?.reason === reason ? before.since : now;
      this.seen.set(room.roomId, { reason, since });
      // What PostgreSQL says holds at once; what workers report may only be late, or lost with Redis for a moment.
      const lastedMs = room.creator === 'watched' ? now - since : Math.min(room.idleMs, room.changedMs);
      if (lastedMs >= REPORT_AFTER_MS[reason]) due.push({ room, reason });
    }
    for (const roomId of this.seen.keys()) if (!open.has(roomId)) this.seen.delete(roomId);
    return due;
  }

  /** Of these rooms, those of which something was stored since they were looked at, up to `head`. */
  private async changed(due: readonly { room: OpenRoom }[], head: number): Promise<Set<string>> {
    const { pool } = this.options;
    const rooms = due.map(({ room }) => room.roomId);
    // Their sessions as they are now, then what is stored beyond what sessions count.
    const counted = await pool.query<{ room_id: string; at: number; seq: number }>(
      `select s.room_id, (extract(epoch from s.last_event_at) * 1000)::float8 as at, p.seq::float8 as seq
       from sessions s, aggregate_positions p where p.name = 'sessions' and s.room_id = any($1) and s.ended_at is null`,
      [rooms],
    );
    const open = new Map(counted.rows.map(({ room_id, at }) => [room_id, at]));
    const from = counted.rows[0]?.seq ?? head;
    const later = await pool.query<{ room_id: string }>(
      `select distinct room_id from events where seq > $1 and seq <= $2 and ${inDaysOrFar('$3')} and room_id = any($4)`,
      [from, head, await daysBetween(pool, from, head), rooms],
    );
    const changed = due.filter(({ room }) => open.get(room.roomId) !== room.lastEventAt).map(({ room }) => room.roomId);
    return new Set([...changed, ...later.rows.map(({ room_id }) => room_id)]);
  }
}

/** Two processes that report the same make one event; the day in its id is the present one, whatever the age of the session. */
function eventOf(room: OpenRoom, reason: UnwatchedReason): SystemEvent {
  const at = Date.now();
  const day = Math.floor(at / DAY_MS) * DAY_MS;
  return {
    id: `${room.creatorId}-${day * 1000}-u${room.roomId}-${Math.floor(room.lastEventAt)}`,
    type: 'monitor.unwatched',
    creator: room.creatorId,
    handle: room.handle,
    room: room.roomId,
    at,
    data: { roomId: room.roomId, reason, lastSeenAt: new Date(room.lastSeenAt).toISOString() },
  };
}
