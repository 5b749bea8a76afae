-- Up Migration

-- Since when a creator is paused; null while it is not.
alter table creators add column paused_since timestamptz;
update creators set paused_since = updated_at where paused;

-- By whatever statement of whatever version it is paused or resumed.
create function creator_paused() returns trigger language plpgsql as $$
begin
  new.paused_since := case when new.paused then now() end;
  return new;
end
$$;
create trigger creator_paused before update on creators for each row when (old.paused is distinct from new.paused) execute function creator_paused();

-- Down Migration
drop trigger creator_paused on creators;
drop function creator_paused;
alter table creators drop column paused_since;
