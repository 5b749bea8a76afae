-- Up Migration

-- Why the last attempt of an endpoint that failed did; null where that was before this was recorded.
alter table webhook_cursors add column failed_category text, add column failed_status integer;

-- Down Migration
alter table webhook_cursors drop column failed_category, drop column failed_status;
