-- Notes that a key is used from an address; of its addresses, those that used it last are kept.
-- KEYS: 1 sorted set of addresses by the time of their last use, in ms
-- ARGV: 1 the address, 2 ms for which one is kept, 3 how many are kept
-- Returns how many there are.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -ARGV[3] - 1)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return redis.call('ZCARD', KEYS[1])
