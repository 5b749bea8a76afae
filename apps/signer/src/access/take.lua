-- Counts requests in every window of a key: as many of them as all windows have room for.
-- KEYS: 1.. one counter per window, all in one slot
-- ARGV: per window its limit and its length in ms; last: requests to count (0 only looks)
-- Returns how many were counted, then per window: requests counted before these, ms until it begins anew (0: it has not begun).
local granted = tonumber(ARGV[#ARGV])
local used = {}
for i = 1, #KEYS do
  used[i] = tonumber(redis.call('GET', KEYS[i]) or '0')
  granted = math.min(granted, math.max(0, tonumber(ARGV[2 * i - 1]) - used[i]))
end
local answer = { granted }
for i = 1, #KEYS do
  if granted > 0 then
    redis.call('INCRBY', KEYS[i], granted)
    -- A window begins with its first request, so that nobody's full minute depends on when they start in it.
    if used[i] == 0 then redis.call('PEXPIRE', KEYS[i], ARGV[2 * i]) end
  end
  answer[2 * i] = used[i]
  answer[2 * i + 1] = math.max(0, redis.call('PTTL', KEYS[i]))
end
return answer
