-- Up Migration

alter table api_keys
  -- The scopes of a key that is limited. Its `scopes` are empty: a version that does not know these columns lets it do nothing.
  add column granted text[],
  -- {"creators": [internal id, ...]}; null: every creator. A member that a version does not know makes it refuse the key.
  add column restriction jsonb,
  add column expires_at timestamptz;

-- Another one with each change: after a restore the number counts up to values that a copy in Redis may have had before.
alter table projection_versions add column stamp text not null default '';

-- Down Migration
alter table projection_versions drop column stamp;
alter table api_keys drop column granted, drop column restriction, drop column expires_at;
