-- OUTBOX: tasks that wait to be claimed, the longest waiting first.
if not known then
  return {'UNKNOWN'}
end
return {'OK', redis.call('HGET', meta, 'state'), redis.call('ZRANGE', outbox, 0, limit - 1, 'WITHSCORES')}
