-- Forgets creators that are no longer monitored and that no worker holds.
-- KEYS: 1 hash of leases, 2 hash of handover states, 3 hash of last arrivals, 4 hash of offers
-- ARGV: 1 ms since the release or the expiry after which a creator is forgotten, then creator ids
-- Returns those that were forgotten. Fences are the time, so a creator that comes back later still gets a higher one.
local time = redis.call('TIME')
local before = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) - tonumber(ARGV[1])
local forgotten = {}
for i = 2, #ARGV do
  local until_ms = string.match(redis.call('HGET', KEYS[1], ARGV[i]) or '', '^%d+ %S+ (%d+)$')
  if until_ms and tonumber(until_ms) < before then
    forgotten[#forgotten + 1] = ARGV[i]
    for k = 1, 4 do redis.call('HDEL', KEYS[k], ARGV[i]) end
  end
end
return forgotten
