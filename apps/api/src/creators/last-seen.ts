import type { LastSeen } from '@tributary/creators';
import type pg from 'pg';
import { daysBetween, inDaysOrFar } from '../store/log-ranges.js';

/** Newest events that are looked at beyond what sessions count: they are behind by a second, or stand still. */
const TAIL = 20_000;

const LAST_SEEN = `
with tail as (
  select creator_id,
    (array_agg(room_id order by seq desc))[1] as room_id,
    max(received_at) filter (where type <> 'monitor.unwatched') as at,
    (array_agg(type order by seq desc) filter (where type in ('monitor.offline', 'monitor.live', 'monitor.connected')))[1] as turn
  from events
  where seq > $1 and ${inDaysOrFar('$2')} and room_id <> ''
  group by creator_id)
select c.id, coalesce(t.room_id, s.room_id) as "roomId",
  (extract(epoch from greatest(case when s.is_left then s.ended_at else s.last_event_at end, t.at)) * 1000)::float8 as at
from creators c
left join lateral (
  select room_id, ended_at, last_event_at, ended_at is not null and unwatched_at is not null and end_reason <> 'end-missed' as is_left
  from sessions where creator_id = c.id order by started_at desc limit 1) s on true
left join tail t on t.creator_id = c.id
where c.deleted_at is null and case when t.turn is null then s.room_id is not null and (s.ended_at is null or s.is_left) else t.turn <> 'monitor.offline' end`;

/** Creators whose last stored word is that they are live, or that their live room is watched no more, with the room and the arrival of their newest stored event. */
export async function readLastSeen(client: pg.PoolClient): Promise<Map<string, LastSeen>> {
  const heads = await client.query<{ from: number; head: number }>(
    `select greatest(p.seq, h.seq - $1)::float8 as "from", h.seq::float8 as head from log_head h, aggregate_positions p where p.name = 'sessions'`,
    [TAIL],
  );
  const { from = 0, head = 0 } = heads.rows[0] ?? {};
  const { rows } = await client.query<{ id: string; roomId: string; at: number | null }>(LAST_SEEN, [
    from,
    await daysBetween(client, from, head),
  ]);
  return new Map(rows.flatMap(({ id, roomId, at }) => (at === null ? [] : [[id, { roomId, at: Math.floor(at) }] as const])));
}
