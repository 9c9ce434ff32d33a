-- REMOVE: over and archived -> it leaves Redis. A mark stays for a while, so that nobody who slept opens it again.
if known and is_open() then
  return {'OPEN'}
end
redis.call('UNLINK', meta, tasks, records, order, outbox, leases, groups, grants, events)
redis.call('SET', gone, 1, 'PX', keep_ms)
return {'OK'}
