import { Inject, Injectable } from '@nestjs/common';
import type pg from 'pg';
import { POOL } from '../resources.js';
import { inDaysOrFar } from '../store/log-ranges.js';

/** Partitions that the timeline of one session may read. */
const SESSION_DAYS_MAX = 64;

/** A session (a room) with its totals. Times are dates, durations ms. */
export interface StoredSession {
  roomId: string;
  creatorId: string;
  creator: string;
  startedAt: Date;
  endedAt: Date | null;
  endReason: string | null;
  lastEventAt: Date;
  events: number;
  viewers: { peak: number; average: number };
  chats: number;
  likes: number;
  roomLikes: number;
  gifts: number;
  unpricedGifts: number;
  diamonds: number;
  follows: number;
  shares: number;
  joins: number;
  gaps: number;
  gapMs: number;
}

export interface SessionFilter {
  creatorIds?: string[];
  since?: Date;
  until?: Date;
  /** Only sessions that have not ended (true), or only those that have (false). */
  live?: boolean;
}

/** A viewer of a session, by what they gave, wrote or liked. */
export interface Leader {
  rank: number;
  user: { id: string; uniqueId: string | null; nickname: string | null };
  diamonds: number;
  unpricedGifts: number;
  chats: number;
  likes: number;
}

export const LEADERS = ['diamonds', 'chats', 'likes'] as const;
export type LeaderField = (typeof LEADERS)[number];

/** Width of a bucket of the timeline, in seconds. */
export const BUCKETS = { '10s': 10, '1m': 60, '5m': 300, '1h': 3_600 } as const;
export type Bucket = keyof typeof BUCKETS;

export interface TimelinePoint {
  at: Date;
  events: number;
  viewers: number | null;
  chats: number;
  likes: number;
  gifts: number;
  unpricedGifts: number;
  diamonds: number;
  follows: number;
  shares: number;
  joins: number;
}

const COLUMNS = `room_id as "roomId", creator_id as "creatorId", handle as creator, started_at as "startedAt", ended_at as "endedAt",
  case when ended_at is not null then end_reason end as "endReason",
  last_event_at as "lastEventAt", events::float8, chats::float8, likes::float8, room_likes::float8 as "roomLikes", gifts::float8,
  unpriced_gifts::float8 as "unpricedGifts",
  diamonds::float8, follows::float8, shares::float8, joins::float8, gaps::float8, gap_ms::float8 as "gapMs",
  json_build_object('peak', peak_viewers, 'average', case when viewers_count = 0 then 0 else round(viewers_sum::numeric / viewers_count, 1) end) as viewers`;

/** Queries over sessions, which the store counts from stored events. */
@Injectable()
export class SessionStore {
  constructor(@Inject(POOL) private readonly pool: pg.Pool) {}

  /** Sessions by start, newest first, before `before` (start as ISO text with microseconds, and room id). */
  async list(filter: SessionFilter, before: [string, string] | undefined, limit: number): Promise<(StoredSession & { key: string })[]> {
    const { rows } = await this.pool.query<StoredSession & { key: string }>(
      `select ${COLUMNS}, to_char(started_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as key from sessions
       where ($1::text[] is null or creator_id = any($1))
         and ($2::timestamptz is null or coalesce(ended_at, last_event_at) >= $2)
         and ($3::timestamptz is null or started_at < $3)
         and ($4::boolean is null or (ended_at is null) = $4)
         and ($5::timestamptz is null or (started_at, room_id) < ($5, $6::text))
       order by started_at desc, room_id desc limit $7`,
      [
        filter.creatorIds ?? null,
        filter.since ?? null,
        filter.until ?? null,
        filter.live ?? null,
        before?.[0] ?? null,
        before?.[1] ?? null,
        limit,
      ],
    );
    return rows;
  }

  async get(roomId: string): Promise<(StoredSession & { chatters: number; gifters: number; likers: number }) | undefined> {
    const { rows } = await this.pool.query<StoredSession & { chatters: number; gifters: number; likers: number }>(
      `select ${COLUMNS}, people.* from sessions, lateral (
         select count(*) filter (where chats > 0)::float8 as chatters, count(*) filter (where diamonds > 0 or unpriced_gifts > 0)::float8 as gifters,
                count(*) filter (where likes > 0)::float8 as likers
         from session_users where room_id = sessions.room_id and user_id <> '0') people
       where room_id = $1`,
      [roomId],
    );
    return rows[0];
  }

  /** The people of a session with the most of `by`; equal ones by user id. */
  async leaders(roomId: string, by: LeaderField, limit: number): Promise<Leader[]> {
    const { rows } = await this.pool.query<Leader>(
      `select rank() over (order by ${by} desc)::int as rank,
              json_build_object('id', user_id, 'uniqueId', handle, 'nickname', nickname) as user,
              diamonds::float8, unpriced_gifts::float8 as "unpricedGifts", chats::float8, likes::float8
       from session_users where room_id = $1 and user_id <> '0' and ${by} > 0 order by ${by} desc, user_id limit $2`,
      [roomId, limit],
    );
    return rows;
  }

  /** Counts of a session in buckets by the time of their events; buckets without an event are left out. At most `most`. */
  async timeline(roomId: string, bucket: Bucket, most: number): Promise<TimelinePoint[]> {
    const count = (type: string) => `count(*) filter (where type = 'tiktok.live.${type}')::int`;
    const sum = (type: string, field: string) =>
      `coalesce(sum(event_number(data, '${field}')) filter (where type = 'tiktok.live.${type}'), 0)::float8`;
    // What is received while the session lasts lies in few days; the day's margin is for events that are not counted yet.
    const days = await this.pool.query<{ day: string }>(
      `select distinct r.day::text from sessions s join event_ranges r
         on r.received_to >= s.started_at - interval '1 day' and r.received_from <= s.last_event_at + interval '1 day'
       where s.room_id = $1 order by 1 limit ${SESSION_DAYS_MAX}`,
      [roomId],
    );
    const { rows } = await this.pool.query<TimelinePoint>(
      `select date_bin(make_interval(secs => $2), time, timestamptz '2000-01-01') as at,
              count(*) filter (where type like 'tiktok.live.%')::int as events,
              max(event_number(data, 'viewers')) filter (where type = 'tiktok.live.roomUser')::float8 as viewers,
              ${count('chat')} as chats, ${sum('like', 'count')} as likes, ${sum('gift', 'count')} as gifts,
              coalesce(sum(event_number(data, 'count')) filter (where type = 'tiktok.live.gift' and data->'unpriced' = 'true'), 0)::float8 as "unpricedGifts",
              ${sum('gift', 'totalDiamonds')} as diamonds, ${count('follow')} as follows, ${count('share')} as shares, ${count('member')} as joins
       from events where room_id = $1 and ${inDaysOrFar('$4')} group by 1 order by 1 limit $3`,
      [roomId, BUCKETS[bucket], most, days.rows.map(({ day }) => day)],
    );
    return rows;
  }
}
