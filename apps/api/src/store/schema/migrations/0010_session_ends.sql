-- Up Migration

-- Why a session ended: what confirmed its end (`streamEnd`, `poll`), or why its room was watched no more. Null for ends of before.
alter table sessions add column end_reason text;
-- When it was told that nobody watches the room; only where that ended the session. A later event of the room resumes it.
alter table sessions add column unwatched_at timestamptz;
-- Arrival of the newest event that TikTok sent; null for sessions of before.
alter table sessions add column last_live_at timestamptz;
create index sessions_live_idx on sessions (room_id) where ended_at is null;

-- An instant of an event's data; null where it cannot be read.
create function event_instant(data jsonb, field text) returns timestamptz language plpgsql stable parallel safe as $$
begin
  return (data ->> field)::timestamptz;
exception when others then
  return null;
end
$$;

-- Length of a gap in ms; null where its times cannot be read. A stream that ended within its gap (`lastSeenAt`) missed nothing after that.
create or replace function gap_duration(data jsonb) returns bigint language plpgsql stable parallel safe as $$
begin
  return greatest(0, extract(epoch from
    least((data ->> 'to')::timestamptz, (data ->> 'lastSeenAt')::timestamptz) - (data ->> 'from')::timestamptz) * 1000)::bigint;
exception when others then
  return null;
end
$$;

-- Down Migration
create or replace function gap_duration(data jsonb) returns bigint language plpgsql stable parallel safe as $$
begin
  return greatest(0, extract(epoch from (data ->> 'to')::timestamptz - (data ->> 'from')::timestamptz) * 1000)::bigint;
exception when others then
  return null;
end
$$;
drop function event_instant;
drop index sessions_live_idx;
alter table sessions drop column last_live_at, drop column unwatched_at, drop column end_reason;
