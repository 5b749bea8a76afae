-- Up Migration

-- What an endpoint wants, by the names of the fields in filter/fields.ts. A field that is not there lets everything through.
alter table webhook_endpoints add column filter jsonb not null default '{}';
update webhook_endpoints set filter = jsonb_strip_nulls(jsonb_build_object('creatorIds', to_jsonb(creator_ids), 'types', to_jsonb(types)))
where creator_ids is not null or types is not null;
alter table webhook_endpoints alter column filter drop default, drop column creator_ids, drop column types;

-- Down Migration
alter table webhook_endpoints add column creator_ids text[], add column types text[];
update webhook_endpoints set
  creator_ids = case when filter ? 'creatorIds' then array(select jsonb_array_elements_text(filter -> 'creatorIds')) end,
  types = case when filter ? 'types' then array(select jsonb_array_elements_text(filter -> 'types')) end,
  -- The version before cannot hold other fields: nothing more is sent than was asked for.
  state = case when filter - '{creatorIds,types}'::text[] = '{}' then state else 'disabled' end;
alter table webhook_endpoints drop column filter;
