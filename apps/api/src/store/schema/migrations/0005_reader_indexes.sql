-- Up Migration

-- Beside the one on user_id: a viewer is looked for by either, and an `or` is only as quick as its slower half.
create index events_user_handle_seq_idx on events (user_handle, seq) where user_handle is not null;

-- Down Migration
drop index events_user_handle_seq_idx;
