-- Up Migration

-- Which numbers of the log lie in which day: one row for each day in each block of 16,384 numbers. Bounds may be wider than
-- the truth, never narrower. A statement names the days that it needs, so that PostgreSQL locks those partitions alone.
create table event_ranges (
  block bigint not null,
  -- the partition's day; 0101-01-01 stands for all days in events_far
  day date not null,
  first_seq bigint not null,
  last_seq bigint not null,
  received_from timestamptz not null,
  received_to timestamptz not null,
  primary key (block, day)
) with (fillfactor = 70);
create index on event_ranges (day);

-- Every type that was ever stored: patterns are expanded by it.
create table event_types (type text primary key);

-- Partitions that hold events from before this migration and have no ranges yet.
create table event_ranges_missing (partition text primary key);
insert into event_ranges_missing select inhrelid::regclass::text from pg_inherits where inhparent = 'events'::regclass;

-- Each partition's own is built beside running inserts, see index-builder.ts; this one becomes valid with the last of them.
create index events_type_seq_idx on only events (type, seq);

-- Days without a partition of their own: their events lie in events_far, 1,900 years earlier.
create table event_far_days (day date primary key);
create table events_far (like events including all);
alter table events attach partition events_far for values from ('0101-01-01') to ('0201-01-01');

-- Called with the statement's own rows, so no writer, old or new, can store an event that readers do not find.
-- The last number is set a little ahead, and the time 10 s, so that few commits have to write here.
create function note_event_ranges() returns trigger language plpgsql as $$
declare part record;
begin
  for part in
    select seq >> 14 as block, case when day >= '0101-01-01' and day < '0201-01-01' then '0101-01-01'::date else day end as at,
      min(seq) as first, max(seq) as last, min(received_at) as early, max(received_at) as late
    from added group by 1, 2
  loop
    perform from event_ranges where block = part.block and day = part.at
      and first_seq <= part.first and last_seq >= part.last and received_from <= part.early and received_to >= part.late;
    continue when found;
    insert into event_ranges as r (block, day, first_seq, last_seq, received_from, received_to)
    values (part.block, part.at, part.first, least(part.last + 32, (part.block << 14) + 16383), part.early, part.late + interval '10 s')
    on conflict (block, day) do update set
      first_seq = least(r.first_seq, excluded.first_seq),
      last_seq = greatest(r.last_seq, least(excluded.last_seq + greatest(0, excluded.last_seq - r.first_seq) / 4, (part.block << 14) + 16383)),
      received_from = least(r.received_from, excluded.received_from),
      received_to = greatest(r.received_to, excluded.received_to);
  end loop;
  insert into event_types select distinct type from added except select type from event_types on conflict do nothing;
  return null;
end
$$;
create trigger events_note_ranges after insert on events referencing new table as added
  for each statement execute function note_event_ranges();

-- Stored events by number. Dynamic, because only days that are literals are left out before their partitions are locked.
create function events_by_seq(wanted bigint[]) returns setof events language plpgsql stable as $$
begin
  return query execute format(
    'select * from events where (day = any(%L::date[]) or day >= ''0101-01-01'' and day < ''0201-01-01'') and seq = any($1)',
    (select coalesce(array_agg(distinct r.day), '{}') from unnest(wanted) as n join event_ranges r on r.block = n >> 14 and n between r.first_seq and r.last_seq)
  ) using wanted;
end
$$;

-- When the first event from this number on was received; null when there is none.
create function received_from_seq(wanted bigint) returns timestamptz language plpgsql stable as $$
declare part record; hit record; found_at timestamptz; found_seq bigint;
begin
  if wanted is null then return null; end if;
  -- In the order of their first numbers, until no further range can hold a smaller one than was found.
  for part in select day, first_seq from event_ranges where block >= wanted >> 14 and last_seq >= wanted order by block, first_seq loop
    exit when found_seq < part.first_seq;
    execute format(
      'select seq, received_at from events where day >= %L and day < %L and seq >= $1 and seq < coalesce($2, 9223372036854775807) order by seq limit 1',
      part.day, case part.day when '0101-01-01' then '0201-01-01'::date else part.day + 1 end)
      into hit using wanted, found_seq;
    if hit.seq is not null then
      found_seq := hit.seq;
      found_at := hit.received_at;
    end if;
  end loop;
  return found_at;
end
$$;

-- Down Migration
drop index if exists sessions_last_event_at_idx;
drop function received_from_seq, events_by_seq;
drop index events_type_seq_idx;
drop trigger events_note_ranges on events;
drop function note_event_ranges;
alter table events detach partition events_far;
drop table events_far, event_far_days, event_ranges_missing, event_types, event_ranges;
