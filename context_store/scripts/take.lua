-- TAKE: this request took a hint before -> the same again, unless it was refused. Else the first hint that is due.
raise_epoch()
local before = redis.call('GET', taken)
if before and before ~= refused then
  return {'OK', before, 1}
end
local hint = redis.call('ZRANGEBYSCORE', hints, '-inf', now, 'LIMIT', 0, 1)[1]
if not hint then
  redis.call('DEL', taken)
  return {'OK', false, 0}
end
redis.call('ZREM', hints, hint)
redis.call('SET', taken, hint, 'PX', keep_ms)
return {'OK', hint, 0}
