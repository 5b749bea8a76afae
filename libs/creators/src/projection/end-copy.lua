-- Activates a copy of the creators if its begin mark is still there: a wipe since then would have removed a part of the copy.
-- KEYS  1 version  2 mark of the write under way      (one slot)
-- ARGV  1 this write  2 its version
-- Returns 1, or 0 where nothing was changed.
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[2])
redis.call('SET', KEYS[1], ARGV[2])
return 1
