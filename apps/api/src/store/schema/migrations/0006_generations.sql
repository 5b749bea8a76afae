-- Up Migration

-- Each generation of the log and the number at which it began. A position (generation, seq) names the same events as now exactly
-- where seq is not above the start of any later generation.
create table log_generations (
  generation bigint primary key,
  started_at_seq bigint not null,
  started_at timestamptz not null default now(),
  -- the life of the server in which it began
  life text,
  reason text not null
);

-- Names one life of one database: another server, a restart, a promotion, a copy and a restored table all have another name.
create function log_life() returns text language plpgsql stable as $$
declare
  system text := '-';
  timeline text := '-';
begin
  -- Not every managed PostgreSQL allows these two.
  begin
    system := (select system_identifier from pg_control_system());
    timeline := left(pg_walfile_name(pg_current_wal_lsn()), 8);
  exception when others then
    null;
  end;
  return concat_ws('/', system, timeline, (extract(epoch from pg_postmaster_start_time()) * 1000000)::bigint,
    (select oid from pg_database where datname = current_database()), 'log_head'::regclass::oid);
end
$$;

alter table log_head add column life text;
update log_head set life = log_life();
insert into log_generations (generation, started_at_seq, life, reason) select generation, 0, life, 'first' from log_head;

-- The highest number up to which positions of a generation name the same events as now; null for a generation that this database never had.
create function log_reach(asked bigint) returns bigint language sql stable as $$
  select case
    when h.generation = asked then h.seq
    when exists (select from log_generations where generation = asked) then
      (select least(h.seq, min(started_at_seq)) from log_generations where generation > asked and generation <= h.generation)
  end
  from log_head h
$$;

-- Begins a generation above `observed`, `known` and every one recorded here; does nothing when the present one is not `observed` any more.
-- No reader's position in this database stays beyond the end of the log.
create function log_raise(observed bigint, known bigint, why text) returns void language plpgsql as $$
declare
  began record;
begin
  update log_head set life = log_life(), generation = greatest(generation + 1, extract(epoch from clock_timestamp())::bigint,
    -- a cursor holds 32 bits: what is far beyond any clock is no generation
    case when known < 4000000000 then known + 1 end, (select max(g.generation) + 1 from log_generations g))
  where generation = observed
  returning generation, seq, life into began;
  if not found then
    return;
  end if;
  insert into log_generations (generation, started_at_seq, life, reason) values (began.generation, began.seq, began.life, why);
  delete from log_generations where generation < (select generation from log_generations order by generation desc offset 999 limit 1);
  update aggregate_positions set seq = began.seq where seq > began.seq;
  update webhook_readers set position = began.seq where position > began.seq;
end
$$;

-- Down Migration
drop function log_raise, log_reach, log_life;
alter table log_head drop column life;
drop table log_generations;
