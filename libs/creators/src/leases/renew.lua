-- Extends leases under the fence their holder has. A lease that is gone (wipe) or older (the server lost its last writes)
-- is restored under that same fence; one that is newer, or was released, is lost.
-- KEYS: 1 hash of leases, 2 string: ms of the first lease command since a wipe,
--       3 string: since when, and until when, renewals of any worker have succeeded here without a break (ms ms)
-- ARGV: 1 worker, 2 lease time in ms, then pairs: creator id, fence
-- Returns per pair: 1 extended, 2 restored, 0 lost.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('SET', KEYS[2], string.format('%.0f', now), 'NX')
local since, last = string.match(redis.call('GET', KEYS[3]) or '', '^(%d+) (%d+)$')
-- After a break of half a lease time the count starts again: in that time no worker could renew its leases.
-- It also starts again when the clock is another server's (a fail-over).
if not since or tonumber(since) > now or math.abs(now - tonumber(last)) > tonumber(ARGV[2]) / 2 then since = string.format('%.0f', now) end
redis.call('SET', KEYS[3], since .. ' ' .. string.format('%.0f', now))
local tail = ' ' .. ARGV[1] .. ' ' .. string.format('%.0f', now + tonumber(ARGV[2]))
local answers = {}
for i = 3, #ARGV, 2 do
  local creator, fence = ARGV[i], ARGV[i + 1]
  local recorded, worker = string.match(redis.call('HGET', KEYS[1], creator) or '', '^(%d+) (%S+) ')
  local answer = 2
  if recorded then
    if recorded == fence then
      answer = worker == '-' and 0 or 1
    elseif tonumber(recorded) > tonumber(fence) then
      answer = 0
    end
  end
  if answer > 0 then redis.call('HSET', KEYS[1], creator, fence .. tail) end
  answers[#answers + 1] = answer
end
return answers
