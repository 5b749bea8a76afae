-- Withdraws offers by creator and fence.
-- KEYS: 1 hash of offers
-- ARGV: 1 wake channel, then pairs: creator id, fence
-- Returns how many there were.
local withdrawn = 0
for i = 2, #ARGV, 2 do
  if string.match(redis.call('HGET', KEYS[1], ARGV[i]) or '', '^%d+') == ARGV[i + 1] then
    withdrawn = withdrawn + redis.call('HDEL', KEYS[1], ARGV[i])
  end
end
redis.call('PUBLISH', ARGV[1], 'state')
return withdrawn
