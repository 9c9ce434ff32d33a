-- The words that the scripts over a tenant's sessions share. A higher epoch, as after a restore, ends all of them. Where there
-- are none, nothing is written: nobody would take it away.
if seen > 0 and raise_epoch() then
  redis.call('DEL', records, ends)
end
for _, name in ipairs(redis.call('ZRANGEBYSCORE', ends, '-inf', now)) do
  redis.call('HDEL', records, name)
  redis.call('ZREM', ends, name)
end
