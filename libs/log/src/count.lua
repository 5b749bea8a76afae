-- Counts entries without sending them.
-- KEYS  1 events
-- ARGV  1 first entry id, as XRANGE takes it  2 most entries
return #redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2])
