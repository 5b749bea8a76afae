-- Reads what comes after a position, and the life of the partition it was read in, in one step.
-- KEYS  1 events  2 epoch
-- ARGV  1 epoch of the position ('' at first)  2 entry id of the position  3 most entries
-- Returns {epoch, entries}. Another epoch (the partition was wiped) or a stream that ends before the position
-- (it lost its newest entries) is read from its beginning: the store knows what it has.
local epoch = redis.call('GET', KEYS[2])
if not epoch then return { '', {} } end

local function before(a, b)
  local ams, aseq = string.match(a, '^(%d+)-(%d+)$')
  local bms, bseq = string.match(b, '^(%d+)-(%d+)$')
  if ams ~= bms then return tonumber(ams) < tonumber(bms) end
  return tonumber(aseq) < tonumber(bseq)
end

local from = '-'
if epoch == ARGV[1] and redis.call('EXISTS', KEYS[1]) == 1 then
  local info = redis.call('XINFO', 'STREAM', KEYS[1])
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' and not before(info[i + 1], ARGV[2]) then from = '(' .. ARGV[2] end
  end
end
return { epoch, redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', ARGV[3]) }
