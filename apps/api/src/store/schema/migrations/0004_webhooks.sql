-- Up Migration

create table webhook_endpoints (
  id text primary key,
  -- the API key that made it: endpoints are limited per key
  key_id text not null,
  url text not null,
  description text not null default '',
  metadata jsonb not null default '{}',
  -- null: all of them
  creator_ids text[],
  types text[],
  ordered boolean not null,
  max_in_flight integer not null,
  -- null: one event per delivery
  batch_events_max integer,
  batch_wait_ms integer,
  -- deliveries a second; null: no limit
  rate_per_second double precision,
  timeout_ms integer not null,
  signatures text[] not null,
  -- signing secrets and the values of custom headers, encrypted with the key from the configuration
  sealed bytea not null,
  state text not null default 'enabled' check (state in ('enabled', 'paused', 'disabled')),
  reason text,
  state_since timestamptz not null default now(),
  -- raised by every change that the runner of the endpoint must notice
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  deleted_at timestamptz
);
create index on webhook_endpoints (key_id) where deleted_at is null;
create index on webhook_endpoints (deleted_at) where deleted_at is not null;

-- Readers of the log: one per endpoint (its id is the endpoint's), and one per replay. Narrow, because positions move all the time.
create table webhook_readers (
  id text primary key,
  endpoint_id text not null references webhook_endpoints (id) on delete cascade,
  -- everything up to here was cut into deliveries or did not match
  position bigint not null,
  -- the runner that holds the endpoint; only on the endpoint's own reader, like the times below
  claimed_by text,
  -- since when every attempt has failed; null after a success
  failing_since timestamptz,
  succeeded_at timestamptz,
  failed_at timestamptz,
  throttled_until timestamptz
) with (fillfactor = 40, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
create index on webhook_readers (endpoint_id) where id <> endpoint_id;

create table webhook_replays (
  id text primary key,
  endpoint_id text not null references webhook_endpoints (id) on delete cascade,
  -- the events after `after_seq` up to `to_seq`
  after_seq bigint not null,
  to_seq bigint not null,
  rate_per_second double precision not null,
  state text not null default 'running' check (state in ('running', 'done', 'cancelled')),
  created_at timestamptz not null default now(),
  ended_at timestamptz
);
create unique index webhook_replays_running on webhook_replays (endpoint_id) where state = 'running';
create index on webhook_replays (endpoint_id, id);

-- Deliveries that were cut out of the log and have had no attempt yet, those of one cut in one row: it is written before
-- the first of them is sent, and goes when all of them have their own. So a delivery costs one insert, and no update.
create table webhook_cuts (
  endpoint_id text not null,
  -- the id of its first delivery
  id text not null,
  replay_id text,
  -- [[delivery id, [seq, ...]], ...] in log order
  deliveries jsonb not null,
  created_at timestamptz not null default now(),
  primary key (endpoint_id, id)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

-- Deliveries that have had an attempt.
create table webhook_deliveries (
  endpoint_id text not null,
  -- the `webhook-id` of every attempt
  id text not null,
  replay_id text,
  -- retried by hand after it was given up: it goes beside the others, whose order has passed it
  again boolean not null default false,
  test boolean not null default false,
  seqs bigint[] not null,
  -- the first of `seqs`: open ones are taken up in this order
  seq bigint not null,
  state text not null default 'open' check (state in ('open', 'delivered', 'dead', 'erased', 'cancelled')),
  -- attempts made since it was cut or retried by hand
  attempt smallint not null,
  next_attempt_at timestamptz not null default now(),
  created_at timestamptz not null default now(),
  ended_at timestamptz,
  -- the newest attempts, oldest first; written as text, read as jsonb
  attempts text[] not null default '{}',
  primary key (endpoint_id, id)
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.1);
create index webhook_deliveries_open on webhook_deliveries (endpoint_id, seq) where state = 'open';
create index webhook_deliveries_replay on webhook_deliveries (replay_id, state) where replay_id is not null;
create index webhook_deliveries_dead on webhook_deliveries (endpoint_id, id) where state = 'dead';

-- Deliveries that are cut and have had no attempt.
create view webhook_unattempted as
select c.endpoint_id, d.value ->> 0 as id, c.replay_id, array(select n::bigint from jsonb_array_elements_text(d.value -> 1) as n) as seqs,
  (d.value -> 1 ->> 0)::bigint as seq, c.created_at
from webhook_cuts c cross join lateral jsonb_array_elements(c.deliveries) as d (value)
where not exists (select from webhook_deliveries x where x.endpoint_id = c.endpoint_id and x.id = d.value ->> 0);

-- Processes that run webhooks. A claim holds as long as its runner is alive.
create table webhook_runners (
  id text primary key,
  alive_until timestamptz not null
);

-- Answers to creations with an Idempotency-Key, for a day.
create table webhook_creations (
  key_id text not null,
  idempotency_key text not null,
  request_hash text not null,
  endpoint_id text not null references webhook_endpoints (id) on delete cascade,
  created_at timestamptz not null default now(),
  primary key (key_id, idempotency_key)
);

-- What happened to an endpoint and is still to be said in the log, as a monitor event.
create table webhook_notices (
  id bigint generated always as identity primary key,
  endpoint_id text not null,
  at timestamptz not null default now(),
  data jsonb not null
);

-- A known text, encrypted: a process whose key does not open it would lose every endpoint's secrets.
create table webhook_vault (
  id boolean primary key default true check (id),
  sealed bytea not null
);

-- Down Migration
drop view webhook_unattempted;
drop table webhook_vault, webhook_notices, webhook_creations, webhook_runners, webhook_deliveries, webhook_cuts, webhook_replays, webhook_readers, webhook_endpoints;
