-- Appends a batch of one producer run to one partition of the inbox: all of it that is new, or nothing.
-- KEYS  1 events  2 leases  3 producers  4 stored  5 epoch  6 handover states (`carry`)  7 last arrivals  8 appended  9 process that replays this run      (one hash tag)
-- ARGV  1 run  2 number of the first event  3 number up to which the run knows its events are stored
--       4 bytes this partition may take (0: no bound)  5 epoch to set if there is none; differs in each call  6 wake channel  7 count
--       8 who appends: '' the run itself, else the process that replays its spool
--       then for each event 11: creator, fence ('' accepted before, '!' refused before: neither is checked again),
--       handover state ('' unchanged), id, type, handle, room, ts, at, data, raw ('' none)
-- Returns {status, appended up to, stored up to, refused numbers, epoch}
--   OK       everything is in the stream, or was before
--   HOLE     earlier events are missing here: send again from the oldest that is not stored; nothing was changed
--   FULL     the partition has reached its bound; nothing was changed
--   NOLEASE  no lease is recorded for a creator of events never sent before (a wipe): renew first; nothing was changed,
--            and the answer names these creators in place of numbers
--   TAKEN    another process has taken over the spool of this run: go on under a new run; nothing was changed
-- An event that was accepted once belongs to the log, whoever holds its creator now: only Redis has lost it.
-- Each entry has a field 'call', unique for each call: entries of equal id and call have the same past on every server.
-- Its field 'before' counts the entries and bytes appended before it, so that the stream's size is a difference of two entries.

-- More than any batch takes: only when less room than this is left is the batch measured.
local BATCH_BYTES_MAX = 2000000
local run, first, confirmed = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local count, holder = tonumber(ARGV[7]), ARGV[8]
local last = tonumber(redis.call('HGET', KEYS[3], run) or '-1')
local stored = tonumber(string.match(redis.call('HGET', KEYS[4], run) or '0', '^%d+'))

-- Checked first: two processes that append one run would each take the other's numbers for its own events.
local taker = redis.call('GET', KEYS[9])
if taker and taker ~= holder then return { 'TAKEN', math.max(last, 0), stored, {}, '' } end
-- A wipe removes the mark; the process that replays writes it again, for a week.
if holder ~= '' and not taker then redis.call('SET', KEYS[9], holder, 'EX', 604800) end

if first > last + 1 and first ~= confirmed + 1 then
  return { 'HOLE', math.max(last, 0), stored, {}, '' }
end
if last < first - 1 then last = first - 1 end
if count == 0 or first + count - 1 <= last then return { 'OK', last, stored, {}, redis.call('GET', KEYS[5]) or '' } end

-- Entries and bytes ever appended, and the bytes before the oldest entry that remains, as last looked up.
local entries, bytes, gone = string.match(redis.call('GET', KEYS[8]) or '', '^(%d+) (%d+) (%d+)$')
if entries then
  entries, bytes, gone = tonumber(entries), tonumber(bytes), tonumber(gone)
else
  entries, bytes, gone = redis.call('XLEN', KEYS[1]), redis.call('MEMORY', 'USAGE', KEYS[1], 'SAMPLES', 0) or 0, 0
end
-- Measured over small, large and mixed entries: a stream takes 1.08 to 1.15 times its values; a field 'raw' ends the stream's compression of equal field names.
local function costOf(a)
  local raw = #ARGV[a + 10]
  local values = 60 + #run + #ARGV[a] + #ARGV[a + 3] + #ARGV[a + 4] + #ARGV[a + 5] + #ARGV[a + 6] + #ARGV[a + 9] + raw
  return math.floor(15 + 1.13 * values + (raw > 0 and 70 or 0))
end
local function rawOf(raw)
  if raw ~= '' then return 'raw', raw end
end
-- A batch that is larger than the bound is accepted while half of the bound is free; otherwise it would wait for ever.
local function isFull(bytesMax)
  local used = bytes - gone
  if used + BATCH_BYTES_MAX <= bytesMax or used <= bytesMax / 2 then return false end
  for i = math.max(0, last + 1 - first), count - 1 do used = used + costOf(9 + i * 11) end
  return used > bytesMax
end
local bytesMax = tonumber(ARGV[4])
if bytesMax > 0 and isFull(bytesMax) then
  local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
  local before = not oldest and bytes
  for i = 1, oldest and #oldest[2] or 0, 2 do
    if oldest[2][i] == 'before' then before = tonumber(string.match(oldest[2][i + 1], '%d+$')) end
  end
  -- An older version wrote the oldest entry: the stream is measured, or trimmed entries would count for ever.
  gone = before or math.max(0, bytes - (redis.call('MEMORY', 'USAGE', KEYS[1], 'SAMPLES', 0) or 0))
  if isFull(bytesMax) then return { 'FULL', last, stored, {}, '' } end
end

local fences, leaseless = {}, {}
for i = 0, count - 1 do
  local creator, fence = ARGV[9 + i * 11], ARGV[10 + i * 11]
  if first + i > last and fence ~= '' and fence ~= '!' and fences[creator] == nil then
    local lease = redis.call('HGET', KEYS[2], creator)
    if lease then
      fences[creator] = string.match(lease, '^%S+')
    else
      fences[creator] = ''
      leaseless[#leaseless + 1] = creator
    end
  end
end
if #leaseless > 0 then return { 'NOLEASE', last, stored, leaseless, '' } end

redis.call('SETNX', KEYS[5], ARGV[5])
local refused, seen = {}, {}
for i = 0, count - 1 do
  local n = first + i
  if n > last then
    local a = 9 + i * 11
    local creator = ARGV[a]
    local fence = ARGV[a + 1]
    if fence ~= '' and fence ~= fences[creator] then
      refused[#refused + 1] = n
    else
      -- Without a table for the arguments: this call is most of what an event costs.
      redis.call('XADD', KEYS[1], '*', 'id', ARGV[a + 3], 'type', ARGV[a + 4], 'creator', creator, 'handle', ARGV[a + 5], 'room', ARGV[a + 6],
        'ts', ARGV[a + 7], 'at', ARGV[a + 8], 'v', '1', 'data', ARGV[a + 9], 'run', run, 'n', string.format('%d', n),
        'call', ARGV[5], 'before', string.format('%d %d', entries, bytes), rawOf(ARGV[a + 10]))
      entries, bytes = entries + 1, bytes + costOf(a)
      -- A late copy must not overwrite what a newer holder has written.
      if fence ~= '' then
        if ARGV[a + 2] ~= '' then redis.call('HSET', KEYS[6], creator, ARGV[a + 2]) end
        seen[creator] = ARGV[a + 8]
      end
    end
  end
end
for creator, at in pairs(seen) do redis.call('HSET', KEYS[7], creator, at) end
local upTo = first + count - 1
redis.call('HSET', KEYS[3], run, string.format('%.0f', upTo))
redis.call('SET', KEYS[8], string.format('%d %d %d', entries, bytes, gone))
redis.call('PUBLISH', ARGV[6], '1')
return { 'OK', upTo, stored, refused, redis.call('GET', KEYS[5]) }
