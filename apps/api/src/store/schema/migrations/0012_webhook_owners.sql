-- Up Migration

-- The key that an endpoint belongs to. Null: to the operator, for keys with the scope `admin` alone; it outlives every key.
alter table webhook_endpoints alter column key_id drop not null;
-- What an administrator has made, or a key that is gone, is the operator's: it must not end with a key that nobody misses.
update webhook_endpoints e set key_id = null, version = version + 1
where not exists (
  select from api_keys k where k.id = e.key_id and k.revoked_at is null and not 'admin' = any(coalesce(k.granted, k.scopes)));

-- Down Migration
update webhook_endpoints set key_id = '' where key_id is null;
alter table webhook_endpoints alter column key_id set not null;
