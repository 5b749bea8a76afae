-- Records that a worker lives, stamped with this server's clock.
-- KEYS: 1 hash of workers
-- ARGV: 1 worker, 2 its record as JSON
-- Returns the stamp in ms, as text. The field becomes `<ms> <json>`.
local time = redis.call('TIME')
local now = string.format('%.0f', tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000))
redis.call('HSET', KEYS[1], ARGV[1], now .. ' ' .. ARGV[2])
return now
