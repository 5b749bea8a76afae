-- Trims stored entries of a partition, in bounded steps. Trims nothing where the position is unknown: entries with lower ids may be unread.
-- KEYS  1 events  2 epoch  3 appended
-- ARGV  1 to 3 position up to which all is stored (see position.lua)  4 ms that stored entries are kept
--       5 bytes the partition may take (0: no bound)  6 most entries of this step  7 1 if Redis is short of memory
-- Returns the number of entries removed
if not entryAt() then return 0 end

local function usedBytes()
  local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
  local fields = {}
  for i = 1, #oldest[2], 2 do fields[oldest[2][i]] = oldest[2][i + 1] end
  local _, gone = before(fields)
  local appended = string.match(redis.call('GET', KEYS[3]) or '', '^%d+ (%d+)')
  if gone and appended then return tonumber(appended) - gone end
  return redis.call('MEMORY', 'USAGE', KEYS[1]) or 0
end
-- Outside readers never delay trimming: beyond four fifths of the bound only entries that are not stored stay.
local bytesMax = tonumber(ARGV[5])
local isShort = ARGV[7] == '1' or (bytesMax > 0 and usedBytes() > bytesMax * 0.8)
local aged = tonumber(redis.call('TIME')[1]) * 1000 - tonumber(ARGV[4])
local keep = ARGV[2]
if not isShort and aged < tonumber(string.match(keep, '^%d+')) then keep = string.format('%d-0', math.max(0, aged)) end
return redis.call('XTRIM', KEYS[1], 'MINID', '~', keep, 'LIMIT', ARGV[6])
