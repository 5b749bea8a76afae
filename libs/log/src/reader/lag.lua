-- How far the store lags behind, at a cost that does not grow with the lag.
-- KEYS  1 events  2 epoch  3 appended
-- ARGV  1 to 3 position (see position.lua)
-- Returns {entries after the position, age of the oldest of them in ms}; all entries where the position is unknown, and at most as
-- many where an older version wrote the entry there.
local at = entryAt()
local oldest = redis.call('XRANGE', KEYS[1], at and '(' .. ARGV[2] or '-', '+', 'COUNT', 1)[1]
if not oldest then return { 0, 0 } end
local read = at and before(at)
local appended = string.match(redis.call('GET', KEYS[3]) or '', '^%d+')
local entries = read and appended and math.max(0, tonumber(appended) - read - 1) or redis.call('XLEN', KEYS[1])
local now = redis.call('TIME')
local age = tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000) - tonumber(string.match(oldest[1], '^%d+'))
return { entries, math.max(0, age) }
