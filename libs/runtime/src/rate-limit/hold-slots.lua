-- Holds slots of an owner for longer; those that Redis has lost are taken again.
-- KEYS: 1 sorted set of the slots, as in take-slot.lua
-- ARGV: 1 ms for which they are held, 2.. their ids
local time = redis.call('TIME')
local until_ = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]
for i = 2, #ARGV do redis.call('ZADD', KEYS[1], until_, ARGV[i]) end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 0
