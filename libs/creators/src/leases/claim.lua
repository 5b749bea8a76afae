-- Claims the leases of creators without a holder, each under a new and higher fence.
-- KEYS: 1 hash of leases, 2 hash of handover states, 3 hash of last arrivals, 4 string: ms of the first lease command since a wipe,
--       5 string: since when, and until when, renewals of any worker have succeeded here without a break (see renew.lua)
-- ARGV: 1 worker, 2 lease time in ms, 3 ms that never-held creators must wait after KEYS[4] (their holders restore them first),
--       4 leases to take at most, 5.. creator ids
-- Returns per lease taken: creator id, fence, `new` | `released` | `expired` | `own`, handover state or nil, last arrival in ms or nil.
-- A lease reads `<fence> <worker> <expiresAtMs>`, `<fence> - <releasedAtMs>` once released. Fences are microseconds: doubles hold them
-- exactly, and only `%.0f` prints them whole.
local time = redis.call('TIME')
local micros = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now = math.floor(micros / 1000)
redis.call('SET', KEYS[4], string.format('%.0f', now), 'NX')
local first = tonumber(redis.call('GET', KEYS[4]))
-- After a fail-over to a server whose clock is behind, times in the future come from another clock and are ignored.
if first > now then
  first = now
  redis.call('SET', KEYS[4], string.format('%.0f', now))
end
local settled = now - first >= tonumber(ARGV[3])
local since, last = string.match(redis.call('GET', KEYS[5]) or '', '^(%d+) (%d+)$')
local ttl = tonumber(ARGV[2])
-- Another worker's expired lease may be taken only after renewals have succeeded for a full lease time.
local may_take_over = since and now - tonumber(since) >= ttl and math.abs(now - tonumber(last)) <= ttl / 2
-- Every living holder has renewed since, by this server's clock: no lease of a living holder ends as late as this.
local too_late = now + 3 * ttl
local expires = string.format('%.0f', now + ttl)
local left = tonumber(ARGV[4])
local taken = {}
for i = 5, #ARGV do
  if left <= 0 then break end
  local creator = ARGV[i]
  local lease = redis.call('HGET', KEYS[1], creator)
  local from, previous = nil, 0
  local fence, worker, until_ms = string.match(lease or '', '^(%d+) (%S+) (%d+)$')
  if not fence then
    if settled then from = 'new' end
  else
    previous = tonumber(fence)
    if worker == '-' then from = 'released'
    elseif worker == ARGV[1] then from = 'own'
    elseif may_take_over and (tonumber(until_ms) <= now or tonumber(until_ms) > too_late) then from = 'expired' end
  end
  if from then
    fence = string.format('%.0f', math.max(previous + 1, micros))
    redis.call('HSET', KEYS[1], creator, fence .. ' ' .. ARGV[1] .. ' ' .. expires)
    left = left - 1
    taken[#taken + 1] = creator
    taken[#taken + 1] = fence
    taken[#taken + 1] = from
    taken[#taken + 1] = redis.call('HGET', KEYS[2], creator)
    taken[#taken + 1] = redis.call('HGET', KEYS[3], creator)
  end
end
return taken
