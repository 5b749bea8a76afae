-- Takes open offers, each for one worker alone. Removes offers that have expired.
-- KEYS: 1 hash of leases, 2 hash of offers
-- ARGV: 1 worker, 2 offers to take at most, 3 `1` when offers that are not urgent may be taken
-- Returns per offer taken: creator id, fence, room id, urgent, ms that it stays open.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local left = tonumber(ARGV[2])
local taken = {}
local offers = redis.call('HGETALL', KEYS[2])
for i = 1, #offers, 2 do
  local creator = offers[i]
  local fence, room, urgent, until_ms, from, state = string.match(offers[i + 1], '^(%d+) (%S+) (%d) (%d+) (%S+) (%S+) ')
  local held = string.match(redis.call('HGET', KEYS[1], creator) or '', '^%d+')
  -- No offer is valid for two minutes: a later end comes from a server whose clock was ahead of this one's.
  if not fence or fence ~= held or tonumber(until_ms) <= now or tonumber(until_ms) > now + 120000 then
    redis.call('HDEL', KEYS[2], creator)
  elseif left > 0 and state == 'open' and from ~= ARGV[1] and (urgent == '1' or ARGV[3] == '1') then
    redis.call('HSET', KEYS[2], creator, fence .. ' ' .. room .. ' ' .. urgent .. ' ' .. until_ms .. ' ' .. from .. ' taken ' .. ARGV[1])
    left = left - 1
    taken[#taken + 1] = creator
    taken[#taken + 1] = fence
    taken[#taken + 1] = room
    taken[#taken + 1] = urgent
    taken[#taken + 1] = string.format('%.0f', tonumber(until_ms) - now)
  end
end
return taken
