-- Releases a lock unless it expired and another process has it now.
-- KEYS: 1 the lock
-- ARGV: 1 the holder's token
-- Returns 1 when it was released.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
