-- Up Migration

-- Viewers whose id TikTok did not say were counted as one person.
delete from session_users where user_id in ('', '0');

-- Gifts whose price is not known: they are in no sum of diamonds. Last, because it locks the tables.
alter table sessions add column unpriced_gifts bigint not null default 0;
alter table session_users add column unpriced_gifts bigint not null default 0;

-- Down Migration
alter table sessions drop column unpriced_gifts;
alter table session_users drop column unpriced_gifts;
