-- HOLD: the revision is still the newest -> whoever took it keeps it for lease_ms more.
local found = row(request)
if not found[2] then
  return {'UNKNOWN_REQUEST'}
end
if found[3] ~= revision then
  return {'CONFLICT', found, now}
end
if redis.call('ZSCORE', due, request) then
  redis.call('ZADD', due, now + lease_ms, request)
end
return {'OK', found, now, redis.call('HGET', meta, 'halt')}
