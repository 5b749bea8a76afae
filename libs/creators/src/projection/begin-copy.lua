-- Begins to replace the copy of the creators. It removes the version, so that no reader takes a half-written copy.
-- KEYS  1 version  2 mark of the write under way      (one slot)
-- ARGV  1 this write  2 '1' where it brings what the store knows of live creators, else ''
-- Returns 1; or 0, with nothing changed, where there is no version and ARGV 2 is ''.
-- Without a version Redis may have been wiped together with the handover states; then only the store knows the live creators.
if ARGV[2] == '' and redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('DEL', KEYS[1])
-- Longer than any write.
redis.call('SET', KEYS[2], ARGV[1], 'EX', 600)
return 1
