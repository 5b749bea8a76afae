-- Takes tokens of a bucket that holds a period's worth and gets them back evenly, as many as it has.
-- It is kept as the time at which it will be full (GCRA), and is no key while it is full.
-- KEYS: 1 the bucket
-- ARGV: 1 period in ms, 2 tokens of a period, 3 tokens wanted
-- Returns tokens granted, and µs until it would have been full before these.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local period = ARGV[1] * 1000
local interval = period / ARGV[2]
-- A clock that was set back must not empty a bucket for longer than a period.
local ahead = math.max(0, math.min(period, tonumber(redis.call('GET', KEYS[1]) or '0') - now))
local granted = math.min(tonumber(ARGV[3]), math.floor((period - ahead) / interval + 0.000001))
if granted > 0 then
  local after = ahead + granted * interval
  redis.call('SET', KEYS[1], string.format('%.0f', now + after), 'PX', math.ceil(after / 1000))
end
return { granted, math.floor(ahead) }
