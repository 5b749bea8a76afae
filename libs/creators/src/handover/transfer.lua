-- Transfers leases to the workers that took their offers and receive the room, once the old holder's last event has been appended.
-- The proof is text that this last event wrote into the handover state. The fence rises, so that no renewal under way takes the lease back.
-- KEYS: 1 hash of leases, 2 hash of offers, 3 hash of handover states
-- ARGV: 1 worker, 2 lease time in ms, 3 wake channel, then quadruples: creator id, fence, next holder, proof
-- Returns per quadruple: 1 transferred, 0 not yet appended or not ready to be taken, -1 the lease is not the worker's.
local time = redis.call('TIME')
local micros = tonumber(time[1]) * 1000000 + tonumber(time[2])
local expires = string.format('%.0f', math.floor(micros / 1000) + tonumber(ARGV[2]))
local answers, moved = {}, 0
for i = 4, #ARGV, 4 do
  local creator = ARGV[i]
  local fence, worker = string.match(redis.call('HGET', KEYS[1], creator) or '', '^(%d+) (%S+) ')
  local answer = -1
  if fence == ARGV[i + 1] and worker == ARGV[1] then
    answer = 0
    local offer, ready = redis.call('HGET', KEYS[2], creator) or '', ' ready ' .. ARGV[i + 2]
    local stands = string.sub(offer, 1, #fence + 1) == fence .. ' ' and string.sub(offer, -#ready) == ready
    if stands and string.find(redis.call('HGET', KEYS[3], creator) or '', ARGV[i + 3], 1, true) then
      local higher = string.format('%.0f', math.max(tonumber(fence) + 1, micros))
      redis.call('HSET', KEYS[1], creator, higher .. ' ' .. ARGV[i + 2] .. ' ' .. expires)
      redis.call('HDEL', KEYS[2], creator)
      answer = 1
      moved = moved + 1
    end
  end
  answers[#answers + 1] = answer
end
if moved > 0 then redis.call('PUBLISH', ARGV[3], 'state') end
return answers
