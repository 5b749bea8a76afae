-- Tells producers up to which of their events the store has committed.
-- KEYS  1 stored
-- ARGV  1 now (ms), then pairs: run, number
for i = 2, #ARGV, 2 do
  local known = tonumber(string.match(redis.call('HGET', KEYS[1], ARGV[i]) or '0', '^%d+'))
  if tonumber(ARGV[i + 1]) >= known then redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1] .. ' ' .. ARGV[1]) end
end
return 1
