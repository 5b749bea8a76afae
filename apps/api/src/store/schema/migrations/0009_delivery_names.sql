-- Up Migration

-- Tables of webhook delivery get the names of what they hold.
alter table webhook_readers rename to webhook_cursors;
alter table webhook_cuts rename to webhook_planned_batches;
alter table webhook_notices rename to webhook_event_outbox;
alter view webhook_unattempted rename to webhook_planned_deliveries;

-- The same as before, by the new name.
create or replace function log_raise(observed bigint, known bigint, why text) returns void language plpgsql as $$
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
  update webhook_cursors set position = began.seq where position > began.seq;
end
$$;

-- Down Migration
alter view webhook_planned_deliveries rename to webhook_unattempted;
alter table webhook_event_outbox rename to webhook_notices;
alter table webhook_planned_batches rename to webhook_cuts;
alter table webhook_cursors rename to webhook_readers;
create or replace function log_raise(observed bigint, known bigint, why text) returns void language plpgsql as $$
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
