-- RENEW: holder, and the lease has not expired -> it is extended.
if not known or not is_open() or not holds(task, owner, token_epoch, token_counter) then
  return {'STALE'}
end
if tonumber(redis.call('ZSCORE', leases, task)) <= now then
  return {'STALE'}
end
redis.call('ZADD', leases, now + lease_ms, task)
return {'OK'}
