-- Charges an address for a wrong key: a new one against what the address may try, one that came before against its own bucket.
-- Buckets as in token-bucket.lua.
-- KEYS: 1 bucket of the address, 2 bucket of this key from this address
-- ARGV: 1 period in ms, 2 different keys of a period, 3 times that one key may come in a period
-- Returns ms until the next try may be made, 0 when this one was; and 1 when the address as a whole must wait.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local period = ARGV[1] * 1000

-- Takes one token; the result is µs until there is one, 0 when it was taken.
local function take(key, limit, remember)
  local interval = period / limit
  local ahead = math.max(0, math.min(period, tonumber(redis.call('GET', key) or '0') - now))
  if ahead + interval > period + 1 then return ahead + interval - period end
  redis.call('SET', key, string.format('%.0f', now + ahead + interval), 'PX', math.ceil((remember or (ahead + interval)) / 1000))
  return 0
end

local before = redis.call('EXISTS', KEYS[2]) == 1
local wait = before and take(KEYS[2], ARGV[3], period) or take(KEYS[1], ARGV[2])
-- A key that was tried is known for a period, whether or not it comes again.
if not before and wait == 0 then take(KEYS[2], ARGV[3], period) end
return { math.ceil(wait / 1000), (wait > 0 and not before) and 1 or 0 }
