import { allowLong, inTransaction } from '@tributary/runtime';
import type { Pool, PoolClient } from 'pg';
import { isDataError } from '../writer/committer.js';
import { daysBetween, inDaysOrFar } from '../log-ranges.js';

/** Numbers looked at in one transaction; a burst is worked off in several. */
const STEP = 5_000;
/** What one statement of a step may take, in ms. */
const STATEMENT_MS = 60_000;
/** Partitions that one step may read: where days are small, 5,000 numbers are many of them. */
const DAYS_MAX = 32;

export interface SessionsAggregateOptions {
  /** Called with an event that the counts leave out, once it is in `dead_letters`. */
  onDeadLettered?(seq: number, reason: string): void;
}

/** A sum that a bigint and a JavaScript number hold: what one producer invents must not stop the counts of all. */
const capped = (sum: string) => `least(greatest(coalesce(${sum}, 0), 0), ${Number.MAX_SAFE_INTEGER})::bigint`;

/** Gifts without a price; they add to `gifts`, but to no sum of diamonds. */
const UNPRICED_GIFTS = capped(`sum(event_number(data, 'count')) filter (where type = 'tiktok.live.gift' and data->'unpriced' = 'true')`);

/** Events that end a session or resume it: the newest decides. */
const TURN = `type in ('monitor.offline', 'monitor.unwatched', 'monitor.live', 'monitor.connected')`;
/** Something of the newest of these events in a room. */
const ofTurn = (value: string) => `(array_agg(${value} order by seq desc) filter (where ${TURN}))[1]`;
const IS_END = `type in ('monitor.offline', 'monitor.unwatched')`;
const LAST_SEEN = `event_instant(data, 'lastSeenAt')`;

const COUNTS = `room_id, creator_id, handle, started_at, last_event_at, last_live_at, events, chats, likes, room_likes, diamonds, gifts,
  unpriced_gifts, follows, shares, joins, peak_viewers, viewers_sum, viewers_count, gaps, gap_ms`;

/** How a session ended: all null while it is live. */
const END = ['ended_at', 'end_reason', 'unwatched_at'] as const;

/** The room was watched no more, and something of it arrived afterwards: its session goes on. */
const RESUMED = {
  inStep: 'unwatched_at is not null and last_live_at > unwatched_at',
  since: 's.unwatched_at is not null and excluded.last_live_at > s.unwatched_at',
};

/**
 * Counts of the events $1 < seq <= $2 in the days $4, by room. $3: rooms that have a turn among them. A session ends when its
 * room was last known to be on air, which may be long before somebody found that out.
 */
const SESSIONS = `
insert into sessions as s (${COUNTS}, ${END.join(', ')})
select ${COUNTS}, ${END.map((column) => `case when ${RESUMED.inStep} then null else ${column} end`).join(', ')} from (select
  room_id,
  (array_agg(creator_id order by seq desc))[1] as creator_id,
  (array_agg(handle order by seq desc))[1] as handle,
  least(min(time), ${ofTurn(`case when ${IS_END} then ${LAST_SEEN} end`)}) as started_at,
  ${ofTurn(`case when ${IS_END} then least(time, ${LAST_SEEN}) end`)} as ended_at,
  ${ofTurn(`left(case type when 'monitor.offline' then data->>'confirmedBy' when 'monitor.unwatched' then data->>'reason' end, 40)`)} as end_reason,
  ${ofTurn(`case when type = 'monitor.unwatched' then received_at end`)} as unwatched_at,
  max(received_at) as last_event_at,
  max(received_at) filter (where type like 'tiktok.live.%') as last_live_at,
  count(*) filter (where type like 'tiktok.live.%') as events,
  count(*) filter (where type = 'tiktok.live.chat') as chats,
  ${capped(`sum(event_number(data, 'count')) filter (where type = 'tiktok.live.like')`)} as likes,
  coalesce(max(event_number(data, 'roomLikes')) filter (where type = 'tiktok.live.like'), 0) as room_likes,
  ${capped(`sum(event_number(data, 'totalDiamonds')) filter (where type = 'tiktok.live.gift')`)} as diamonds,
  ${capped(`sum(event_number(data, 'count')) filter (where type = 'tiktok.live.gift')`)} as gifts,
  ${UNPRICED_GIFTS} as unpriced_gifts,
  count(*) filter (where type = 'tiktok.live.follow') as follows,
  count(*) filter (where type = 'tiktok.live.share') as shares,
  count(*) filter (where type = 'tiktok.live.member') as joins,
  coalesce(max(event_number(data, 'viewers')) filter (where type = 'tiktok.live.roomUser'), 0) as peak_viewers,
  ${capped(`sum(event_number(data, 'viewers')) filter (where type = 'tiktok.live.roomUser')`)} as viewers_sum,
  count(*) filter (where type = 'tiktok.live.roomUser') as viewers_count,
  count(*) filter (where type = 'monitor.gap') as gaps,
  ${capped(`sum(gap_duration(data)) filter (where type = 'monitor.gap')`)} as gap_ms
from events where seq > $1 and seq <= $2 and ${inDaysOrFar('$4')} and room_id <> '' group by room_id) step
on conflict (room_id) do update set
  creator_id = excluded.creator_id, handle = excluded.handle,
  started_at = least(s.started_at, excluded.started_at),
  ${END.map((column) => `${column} = case when $3::text[] @> array[s.room_id] then excluded.${column} when ${RESUMED.since} then null else s.${column} end`).join(', ')},
  last_event_at = greatest(s.last_event_at, excluded.last_event_at), last_live_at = greatest(s.last_live_at, excluded.last_live_at),
  events = s.events + excluded.events, chats = s.chats + excluded.chats, likes = ${capped('s.likes::numeric + excluded.likes')},
  room_likes = greatest(s.room_likes, excluded.room_likes), diamonds = ${capped('s.diamonds::numeric + excluded.diamonds')}, gifts = ${capped('s.gifts::numeric + excluded.gifts')},
  unpriced_gifts = ${capped('s.unpriced_gifts::numeric + excluded.unpriced_gifts')},
  follows = s.follows + excluded.follows, shares = s.shares + excluded.shares, joins = s.joins + excluded.joins,
  peak_viewers = greatest(s.peak_viewers, excluded.peak_viewers),
  viewers_sum = ${capped('s.viewers_sum::numeric + excluded.viewers_sum')}, viewers_count = s.viewers_count + excluded.viewers_count,
  gaps = s.gaps + excluded.gaps, gap_ms = ${capped('s.gap_ms::numeric + excluded.gap_ms')}`;

const USERS = `
insert into session_users as u (room_id, user_id, handle, nickname, chats, likes, diamonds, unpriced_gifts)
select room_id, user_id,
  (array_agg(user_handle order by seq desc))[1],
  (array_agg(data->'user'->>'nickname' order by seq desc))[1],
  count(*) filter (where type = 'tiktok.live.chat'),
  ${capped(`sum(event_number(data, 'count')) filter (where type = 'tiktok.live.like')`)},
  ${capped(`sum(event_number(data, 'totalDiamonds')) filter (where type = 'tiktok.live.gift')`)},
  ${UNPRICED_GIFTS}
from events
where seq > $1 and seq <= $2 and ${inDaysOrFar('$3')} and room_id <> '' and user_id not in ('', '0')
  and type in ('tiktok.live.chat', 'tiktok.live.like', 'tiktok.live.gift')
group by room_id, user_id order by room_id, user_id
on conflict (room_id, user_id) do update set
  handle = coalesce(excluded.handle, u.handle), nickname = coalesce(excluded.nickname, u.nickname),
  chats = u.chats + excluded.chats, likes = ${capped('u.likes::numeric + excluded.likes')}, diamonds = ${capped('u.diamonds::numeric + excluded.diamonds')},
  unpriced_gifts = ${capped('u.unpriced_gifts::numeric + excluded.unpriced_gifts')}`;

/** Rooms of these events whose end was confirmed or taken back. */
const TURNS = `select distinct room_id from events
  where seq > $1 and seq <= $2 and ${inDaysOrFar('$3')} and room_id <> '' and ${TURN}`;

/**
 * Sessions (one per room) and their people, counted from stored events only. The position moves in the transaction of the
 * update, so that each event counts once, whatever dies in between.
 */
export class SessionsAggregate {
  /** Numbers of the next step: halved by one that the database refuses, until the event is found. */
  private stepMax = STEP;
  /** Where the newest step began. */
  private stepAfter = 0;

  constructor(
    private readonly pool: Pool,
    private readonly options: SessionsAggregateOptions = {},
  ) {}

  /** Works off what is stored and not yet counted, one step at a time; returns the number of positions passed. */
  async catchUp(signal: AbortSignal): Promise<number> {
    let passed = 0;
    while (!signal.aborted) {
      const step = await this.step();
      if (step === 0) break;
      passed += step;
    }
    return passed;
  }

  private async step(): Promise<number> {
    try {
      const passed = await inTransaction(this.pool, async (client) => {
        await allowLong(client, STATEMENT_MS);
        return this.count(client);
      });
      this.stepMax = Math.min(STEP, this.stepMax * 2);
      return passed;
    } catch (error) {
      if (!isDataError(error)) throw error;
      if (this.stepMax === 1) return this.deadLetter(error.message);
      this.stepMax = Math.ceil(this.stepMax / 2);
      return this.step();
    }
  }

  /** Leaves out the event that follows: the database refuses to count it, and would for ever. */
  private async deadLetter(reason: string): Promise<number> {
    const seq = await inTransaction(this.pool, async (client) => {
      const { rows } = await client.query<{ seq: number }>(
        `update aggregate_positions set seq = seq + 1 where name = 'sessions' and seq = $1 returning seq::float8 as seq`,
        [this.stepAfter],
      );
      const next = rows[0]?.seq;
      // Another process has counted on meanwhile.
      if (next === undefined) return undefined;
      const days = await daysBetween(client, next - 1, next);
      await client.query(
        `insert into dead_letters (partition, entry_id, reason, fields)
         select -1, 'sessions-' || e.seq, $2, to_jsonb(e)::text from (
           select seq, id, type, creator_id, handle, room_id, time, received_at, data from events where seq = $1 and ${inDaysOrFar('$3')}) e`,
        [next, `not counted in its session: ${reason}`, days],
      );
      return next;
    });
    if (seq === undefined) return 0;
    this.options.onDeadLettered?.(seq, reason);
    return 1;
  }

  private async count(client: PoolClient): Promise<number> {
    const { rows } = await client.query<{ seq: number; head: number }>(
      `select p.seq::float8 as seq, (select seq from log_head)::float8 as head from aggregate_positions p where name = 'sessions' for update of p`,
    );
    const { seq = 0, head = 0 } = rows[0] ?? {};
    if (head <= seq) return 0;
    this.stepAfter = seq;
    let to = Math.min(head, seq + this.stepMax);
    let days = await daysBetween(client, seq, to);
    while (days.length > DAYS_MAX && to > seq + 1) {
      to = seq + Math.ceil((to - seq) / 2);
      days = await daysBetween(client, seq, to);
    }
    const turns = await client.query<{ room_id: string }>(TURNS, [seq, to, days]);
    await client.query(SESSIONS, [seq, to, turns.rows.map(({ room_id }) => room_id), days]);
    await client.query(USERS, [seq, to, days]);
    await client.query(`update aggregate_positions set seq = $1 where name = 'sessions'`, [to]);
    return to - seq;
  }
}
