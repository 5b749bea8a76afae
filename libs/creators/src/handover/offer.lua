-- Offers live creators to other workers, who may then join their rooms before the lease moves.
-- KEYS: 1 hash of leases, 2 hash of offers
-- ARGV: 1 worker, 2 ms that the offers stand, 3 `1` when the worker stops, else `0`, 4 wake channel, then triples: creator id, fence, room id
-- Returns per triple: 1 offered, 0 not: the worker does not hold that lease.
-- An offer that is made again stays with the worker that took it: that one may be connected to the room already.
-- An offer reads `<fence> <room> <urgent> <untilMs> <from> <state> <taker>`; its states are open (taker `-`), taken, ready.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local middle = ' ' .. ARGV[3] .. ' ' .. string.format('%.0f', now + tonumber(ARGV[2])) .. ' ' .. ARGV[1] .. ' '
local answers, offered = {}, 0
for i = 5, #ARGV, 3 do
  local fence, worker = string.match(redis.call('HGET', KEYS[1], ARGV[i]) or '', '^(%d+) (%S+) ')
  local answer = 0
  if fence == ARGV[i + 1] and worker == ARGV[1] then
    local head = fence .. ' ' .. ARGV[i + 2]
    local before, until_ms, state = string.match(redis.call('HGET', KEYS[2], ARGV[i]) or '', '^(%d+ %S+) %d (%d+) %S+ (%S+ %S+)$')
    if before ~= head or tonumber(until_ms) <= now then state = 'open -' end
    redis.call('HSET', KEYS[2], ARGV[i], head .. middle .. state)
    answer = 1
    offered = offered + 1
  end
  answers[#answers + 1] = answer
end
if offered > 0 then redis.call('PUBLISH', ARGV[4], 'offer') end
return answers
