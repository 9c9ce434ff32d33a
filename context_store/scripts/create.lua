-- CREATE: absent and never archived -> open, with its first task ready.
if known then
  if redis.call('HGET', meta, 'call') == call then
    return {'OK', redis.call('ZRANGE', outbox, 0, -1, 'WITHSCORES')}
  end
  return {'EXISTS', redis.call('HGET', meta, 'alert')}
end
if redis.call('EXISTS', gone) == 1 then
  return {'GONE'}
end
redis.call('HSET', meta, 'investigation', investigation, 'alert', alert, 'state', 'open', 'opened_at', now, 'epoch', epoch,
  'fence', 0, 'live', 0, 'call', call)
event('investigation.opened', {})
for _, pair in ipairs(first) do
  enqueue(pair[1], pair[2], '')
end
return {'OK', ready}
