-- Records a receiver's answer to offers: `ready` (it receives the room), `open` (another worker may take it), `none` (it cannot be done).
-- KEYS: 1 hash of offers
-- ARGV: 1 worker, 2 word, 3 wake channel, then pairs: creator id, fence
-- Returns per pair: 1 noted, 0 not: the offer was withdrawn, or is another.
local answers = {}
for i = 4, #ARGV, 2 do
  local head, fence, taker = string.match(redis.call('HGET', KEYS[1], ARGV[i]) or '', '^((%d+) %S+ %d %d+ %S+) %S+ (%S+)$')
  local answer = 0
  if fence == ARGV[i + 1] and taker == ARGV[1] then
    answer = 1
    if ARGV[2] == 'none' then redis.call('HDEL', KEYS[1], ARGV[i])
    elseif ARGV[2] == 'open' then redis.call('HSET', KEYS[1], ARGV[i], head .. ' open -')
    else redis.call('HSET', KEYS[1], ARGV[i], head .. ' ' .. ARGV[2] .. ' ' .. taker) end
  end
  answers[#answers + 1] = answer
end
redis.call('PUBLISH', ARGV[3], ARGV[2] == 'open' and 'offer' or 'state')
return answers
