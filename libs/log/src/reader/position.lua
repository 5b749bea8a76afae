-- Prefix of the scripts that take a position of the store: KEYS 1 events, 2 epoch; ARGV 1 epoch, 2 entry id, 3 call of that entry
-- ('' where an older version stored the position).
-- The entry at a position, if it is there and the same append call wrote it. Then the entries before it are those that were read,
-- even on a replica that was promoted without the newest entries and has used their ids again since.
local function entryAt()
  if redis.call('GET', KEYS[2]) ~= ARGV[1] then return nil end
  local entry = redis.call('XRANGE', KEYS[1], ARGV[2], ARGV[2])[1]
  if not entry then return nil end
  local fields = {}
  for i = 1, #entry[2], 2 do fields[entry[2][i]] = entry[2][i + 1] end
  if ARGV[3] ~= '' and fields.call ~= ARGV[3] then return nil end
  return fields
end

-- What was appended before an entry: entries, bytes; nothing where an older version wrote it.
local function before(fields)
  local entries, bytes = string.match(fields.before or '', '^(%d+) (%d+)$')
  return tonumber(entries), tonumber(bytes)
end
