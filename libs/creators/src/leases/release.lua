-- Releases leases, so that any worker may claim them at once. The fence stays, so that the next one is higher, and so that
-- late appends of the old holder are accepted until then. The time stays too: purge-removed.lua needs it.
-- KEYS: 1 hash of leases
-- ARGV: pairs: creator id, fence
-- Returns how many were released; a lease under a newer fence belongs to another worker and stays.
local time = redis.call('TIME')
local tail = ' - ' .. string.format('%.0f', tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000))
local released = 0
for i = 1, #ARGV, 2 do
  local recorded = string.match(redis.call('HGET', KEYS[1], ARGV[i]) or '', '^(%d+) ')
  if not recorded or tonumber(recorded) <= tonumber(ARGV[i + 1]) then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1] .. tail)
    released = released + 1
  end
end
return released
