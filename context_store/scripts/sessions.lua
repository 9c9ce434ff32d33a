-- The words that the scripts over a tenant's sessions share. A higher epoch, as after a restore, ends all of them.
if raise_epoch() then
  redis.call('DEL', records, ends)
end
for _, name in ipairs(redis.call('ZRANGEBYSCORE', ends, '-inf', now)) do
  redis.call('HDEL', records, name)
  redis.call('ZREM', ends, name)
end
