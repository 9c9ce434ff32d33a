-- WRITE_COUNTS: each bucket is as given, those to drop are gone. Nobody's count is lost: a bucket that is counted again is counted whole.
raise_epoch()
for first = 1, #drop, 1000 do
  redis.call('HDEL', buckets, unpack(drop, first, math.min(first + 999, #drop)))
end
for first = 1, #counts, 1000 do
  redis.call('HSET', buckets, unpack(counts, first, math.min(first + 999, #counts)))
end
redis.call('PEXPIRE', buckets, keep_ms)
return {'OK'}
