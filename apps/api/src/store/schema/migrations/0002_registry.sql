-- Up Migration

create table creators (
  id text primary key,
  unique_id text not null,
  user_id text,
  paused boolean not null default false,
  options jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  deleted_at timestamptz
);
create unique index creators_unique_id on creators (unique_id) where deleted_at is null;
create unique index creators_user_id on creators (user_id) where deleted_at is null and user_id is not null;

create table creator_handles (
  creator_id text not null references creators (id),
  unique_id text not null,
  seen_at timestamptz not null default now(),
  primary key (creator_id, unique_id)
);

create table api_keys (
  id text primary key,
  hash text not null unique,
  name text not null,
  scopes text[] not null,
  created_at timestamptz not null default now(),
  revoked_at timestamptz,
  last_used_at timestamptz
);

-- Redis holds copies of creators and keys; a copy whose version differs is written anew.
create table projection_versions (
  name text primary key,
  version bigint not null default 1
);
insert into projection_versions (name) values ('creators'), ('keys');

-- Down Migration
drop table projection_versions, api_keys, creator_handles, creators;
