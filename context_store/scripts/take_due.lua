-- TAKE_DUE: the first request that is due for so long, and in one of the states -> nobody else takes it for lease_ms. A taker that dies is
-- replaced after that; what it may still write is judged by the revision.
for _, request in ipairs(redis.call('ZRANGEBYSCORE', due, '-inf', now - overdue_ms)) do
  local state = redis.call('HGET', states, request)
  for _, wanted in ipairs(in_states) do
    if state == wanted then
      redis.call('ZADD', due, now + lease_ms, request)
      return {'OK', row(request), now, redis.call('HGET', meta, 'halt')}
    end
  end
end
return {'OK', false, now}
