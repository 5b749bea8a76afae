-- Up Migration

-- The one row that decides what exists: the number of the newest event, and how far each partition of the inbox is stored.
create table log_head (
  id boolean primary key default true check (id),
  -- raised when the database was restored from a backup, so that cursors of the lost future are not honoured
  generation bigint not null,
  seq bigint not null default 0,
  -- the oldest number that retention has left
  oldest_seq bigint not null default 1,
  positions jsonb not null default '{}',
  partitions integer
);
insert into log_head (generation) values (extract(epoch from now())::bigint);

create table events (
  seq bigint not null,
  -- found from the id alone, so that a late duplicate meets its original
  day date not null,
  id text not null,
  type text not null,
  creator_id text not null,
  handle text not null,
  room_id text not null,
  time timestamptz not null,
  received_at timestamptz not null,
  user_id text,
  user_handle text,
  data jsonb not null,
  raw bytea,
  primary key (day, id)
) partition by range (day);
create index on events (seq);
create index on events (creator_id, seq);
create index on events (room_id, seq);
create index on events (user_id, seq) where user_id is not null;
create index on events using brin (received_at);
create table events_undated partition of events for values from ('0001-01-01') to ('0001-01-02');

-- What could not be stored, with the reason; the entry as it was read.
create table dead_letters (
  id bigint generated always as identity primary key,
  at timestamptz not null default now(),
  partition integer not null,
  entry_id text not null,
  reason text not null,
  fields text not null
);

-- Down Migration
drop table dead_letters, events, log_head;
