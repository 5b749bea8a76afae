#!lua flags=allow-oom
-- Confirms stored events of every run that were never confirmed, without reading entries. A checkpoint records how far each run was
-- appended; once the store has passed the checkpoint's entry, all of that is stored. Also forgets runs that were not confirmed
-- for long: such a run is accepted again from its oldest event that is not stored.
-- KEYS  1 events  2 epoch  3 stored  4 producers  5 checkpoint
-- ARGV  1 to 3 position up to which all is stored (see position.lua)  4 forget runs not confirmed for this long (ms)
-- Returns the number of runs confirmed
local now = redis.call('TIME')[1] .. '000'
local stored = {}
local known = redis.call('HGETALL', KEYS[3])
for i = 1, #known, 2 do
  local number, at = string.match(known[i + 1], '^(%d+) (%d+)$')
  if tonumber(at or 0) < tonumber(now) - tonumber(ARGV[4]) then
    redis.call('HDEL', KEYS[3], known[i])
    redis.call('HDEL', KEYS[4], known[i])
  else
    stored[known[i]] = tonumber(number)
  end
end
if not entryAt() then return 0 end

local function isBefore(a, b)
  local ams, aseq = string.match(a, '^(%d+)-(%d+)$')
  local bms, bseq = string.match(b, '^(%d+)-(%d+)$')
  if ams ~= bms then return tonumber(ams) < tonumber(bms) end
  return tonumber(aseq) < tonumber(bseq)
end
local confirmed = 0
local function confirm(runs)
  for i = 1, #runs, 2 do
    if runs[i] ~= '' and tonumber(runs[i + 1]) > (stored[runs[i]] or -1) then
      redis.call('HSET', KEYS[3], runs[i], runs[i + 1] .. ' ' .. now)
      stored[runs[i]] = tonumber(runs[i + 1])
      confirmed = confirmed + 1
    end
  end
  redis.call('DEL', KEYS[5])
end

local appended = redis.call('HGETALL', KEYS[4])
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1][1]
if newest == ARGV[2] then
  confirm(appended)
  return confirmed
end
local passes = redis.call('HGET', KEYS[5], '')
if passes and isBefore(ARGV[2], passes) then return 0 end
if passes then confirm(redis.call('HGETALL', KEYS[5])) end
for i = 1, #appended, 2 do
  if tonumber(appended[i + 1]) > (stored[appended[i]] or -1) then redis.call('HSET', KEYS[5], '', newest, appended[i], appended[i + 1]) end
end
return confirmed
