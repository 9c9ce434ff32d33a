-- OPEN_SESSION: kept until its end. Once the last of them has ended, no key stays.
redis.call('HSET', meta, 'epoch', epoch)
redis.call('HSET', records, name, record)
redis.call('ZADD', ends, now + life_ms, name)
local last = redis.call('ZREVRANGE', ends, 0, 0, 'WITHSCORES')[2]
for _, key in ipairs({meta, records, ends}) do
  redis.call('PEXPIREAT', key, string.format('%.0f', last))
end
return {'OK', now + life_ms}
