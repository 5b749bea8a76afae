-- Trims a partition behind what is stored, and forgets producer runs nobody confirmed for long. Both are safe at any
-- time: a forgotten run is accepted again from its oldest event that is not stored.
-- KEYS  1 events  2 producers  3 stored
-- ARGV  1 entry id up to which all is stored  2 entry id before which nothing need be kept  3 bytes the partition may take
--       4 forget runs confirmed before this (ms)
-- Returns the number of entries removed
local keep = ARGV[2]
local bytesMax = tonumber(ARGV[3])
-- Outside readers are never waited for: past four fifths of the bound only what is not stored stays.
if bytesMax > 0 and (redis.call('MEMORY', 'USAGE', KEYS[1]) or 0) > bytesMax * 0.8 then keep = ARGV[1] end
local removed = redis.call('XTRIM', KEYS[1], 'MINID', '~', keep)
local runs = redis.call('HGETALL', KEYS[3])
for i = 1, #runs, 2 do
  if tonumber(string.match(runs[i + 1], '%d+$')) < tonumber(ARGV[4]) then
    redis.call('HDEL', KEYS[3], runs[i])
    redis.call('HDEL', KEYS[2], runs[i])
  end
end
return removed
