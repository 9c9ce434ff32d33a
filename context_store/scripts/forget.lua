-- FORGET: the investigation was archived. The alert may belong to a later investigation by now; where it is not known any
-- more, it is looked for.
raise_epoch()
redis.call('HDEL', opening, investigation)
redis.call('SREM', open, investigation)
redis.call('ZREM', recent, investigation)
if alert ~= '' then
  if redis.call('HGET', alerts, alert) == investigation then
    redis.call('HDEL', alerts, alert)
  end
else
  local all = redis.call('HGETALL', alerts)
  for n = 1, #all, 2 do
    if all[n + 1] == investigation then
      redis.call('HDEL', alerts, all[n])
    end
  end
end
return {'OK'}
