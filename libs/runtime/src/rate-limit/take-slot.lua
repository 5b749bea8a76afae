-- Takes one of the slots of an owner, unless all are taken; a slot that nobody renews is free again.
-- KEYS: 1 sorted set of the slots, by the time until which each is held
-- ARGV: 1 slots there are, 2 ms for which one is held, 3 id of the new slot
-- Returns 1 when it was taken, 0 when there is none.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
