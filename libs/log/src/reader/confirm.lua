#!lua flags=allow-oom
-- Records for each producer up to which event the store has committed. Does nothing where the position is unknown: the partition
-- then holds other entries than those that were stored.
-- KEYS  1 events  2 epoch  3 stored
-- ARGV  1 to 3 position up to which all is stored (see position.lua), then pairs: run, number of its last event before that
-- Returns 1 if it was confirmed
if not entryAt() then return 0 end
local now = redis.call('TIME')[1] .. '000'
for i = 4, #ARGV, 2 do
  local known = tonumber(string.match(redis.call('HGET', KEYS[3], ARGV[i]) or '0', '^%d+'))
  if tonumber(ARGV[i + 1]) >= known then redis.call('HSET', KEYS[3], ARGV[i], ARGV[i + 1] .. ' ' .. now) end
end
return 1
