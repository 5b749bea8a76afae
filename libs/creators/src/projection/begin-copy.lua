-- Begins to replace the copy of the creators: the version goes, so that nobody reads it half-written.
-- KEYS  1 version  2 mark of the write under way      (one slot)
-- ARGV  1 this write  2 '1' where it brings what the store knows of live creators, else ''
-- Returns 1, or 0 where there is no version and nothing of the kind is brought; then nothing was changed.
-- Without a version Redis may have been wiped, and what stood beside the leases with it: only the store knows it then.
if ARGV[2] == '' and redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('DEL', KEYS[1])
-- Longer than any write.
redis.call('SET', KEYS[2], ARGV[1], 'EX', 600)
return 1
