-- Reads the entries after a position together with the partition's epoch, in one step.
-- KEYS  1 events  2 epoch
-- ARGV  1 to 3 position (see position.lua)  4 most entries
-- Returns {epoch, 1 if the position is known here, entries}. Where it is not (the partition was wiped, or lost its newest entries),
-- all entries are read again from the oldest: the store knows what it has.
local epoch = redis.call('GET', KEYS[2])
if not epoch then return { '', 0, {} } end
local isKnown = entryAt() ~= nil
return { epoch, isKnown and 1 or 0, redis.call('XRANGE', KEYS[1], isKnown and '(' .. ARGV[2] or '-', '+', 'COUNT', ARGV[4]) }
