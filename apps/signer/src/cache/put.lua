-- Keeps one value of a kind, forgets expired ones and, past the bound, those that expire first.
-- KEYS: 1 hash field -> record, 2 sorted set of the fields by expiry (ms)
-- ARGV: 1 field, 2 record, 3 now in ms, 4 expiry in ms, 5 fields kept at most
-- Returns how many values were forgotten.
local forgotten = 0
local function forget(fields)
  if #fields == 0 then return end
  redis.call('HDEL', KEYS[1], unpack(fields))
  redis.call('ZREM', KEYS[2], unpack(fields))
  forgotten = forgotten + #fields
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[2], ARGV[4], ARGV[1])
forget(redis.call('ZRANGE', KEYS[2], '-inf', ARGV[3], 'BYSCORE', 'LIMIT', 0, 100))
local over = redis.call('ZCARD', KEYS[2]) - tonumber(ARGV[5])
if over > 0 then forget(redis.call('ZRANGE', KEYS[2], 0, math.min(over, 100) - 1)) end
-- Keys of a kind that is no longer written expire.
local last = redis.call('ZRANGE', KEYS[2], -1, -1, 'WITHSCORES')
if last[2] then
  redis.call('PEXPIREAT', KEYS[1], last[2])
  redis.call('PEXPIREAT', KEYS[2], last[2])
end
return forgotten
