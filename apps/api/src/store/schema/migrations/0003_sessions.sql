-- Up Migration

-- How far each aggregate has read the log; moved in the transaction that updates the aggregate.
create table aggregate_positions (
  name text primary key,
  seq bigint not null default 0
);
insert into aggregate_positions (name) values ('sessions');

create table sessions (
  room_id text primary key,
  creator_id text not null,
  handle text not null,
  started_at timestamptz not null,
  ended_at timestamptz,
  last_event_at timestamptz not null,
  events bigint not null default 0,
  chats bigint not null default 0,
  likes bigint not null default 0,
  room_likes bigint not null default 0,
  diamonds bigint not null default 0,
  gifts bigint not null default 0,
  follows bigint not null default 0,
  shares bigint not null default 0,
  joins bigint not null default 0,
  peak_viewers bigint not null default 0,
  viewers_sum bigint not null default 0,
  viewers_count bigint not null default 0,
  gaps bigint not null default 0,
  gap_ms bigint not null default 0
);
create index on sessions (creator_id, started_at desc);
create index on sessions (started_at desc);

create table session_users (
  room_id text not null references sessions (room_id) on delete cascade,
  user_id text not null,
  handle text,
  nickname text,
  chats bigint not null default 0,
  likes bigint not null default 0,
  diamonds bigint not null default 0,
  primary key (room_id, user_id)
);

-- A number of an event's data, bounded; null for anything else: what a producer wrote must not stop an aggregate.
create function event_number(data jsonb, field text) returns bigint language sql immutable parallel safe as $$
  select case when jsonb_typeof(data -> field) = 'number'
    then greatest(least((data ->> field)::numeric, 1e15), -1e15)::bigint end
$$;

-- Length of a gap in ms; null where its times cannot be read.
create function gap_duration(data jsonb) returns bigint language plpgsql stable parallel safe as $$
begin
  return greatest(0, extract(epoch from (data ->> 'to')::timestamptz - (data ->> 'from')::timestamptz) * 1000)::bigint;
exception when others then
  return null;
end
$$;

-- Down Migration
drop function event_number, gap_duration;
drop table session_users, sessions, aggregate_positions;
