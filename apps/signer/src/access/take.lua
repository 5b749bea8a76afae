-- Counts one request in every window of a key, or in none when one of them is full.
-- KEYS: 1.. one counter per window, all in one slot
-- ARGV: per window its limit (0: only looked at) and its length in ms; last: requests to count (0 only looks)
-- Returns per window: requests counted so far, ms until it begins anew (0: it has not begun). A full window counts nothing.
local cost = tonumber(ARGV[#ARGV])
local full = false
local used = {}
for i = 1, #KEYS do
  used[i] = tonumber(redis.call('GET', KEYS[i]) or '0')
  local limit = tonumber(ARGV[2 * i - 1])
  if limit > 0 and used[i] + cost > limit then full = true end
end
local answer = { full and cost > 0 and 1 or 0 }
for i = 1, #KEYS do
  if cost > 0 and not full then
    used[i] = redis.call('INCRBY', KEYS[i], cost)
    -- A window begins with its first request, so that nobody's full minute depends on when they start in it.
    if used[i] == cost then redis.call('PEXPIRE', KEYS[i], ARGV[2 * i]) end
  end
  answer[2 * i] = used[i]
  answer[2 * i + 1] = math.max(0, redis.call('PTTL', KEYS[i]))
end
return answer
