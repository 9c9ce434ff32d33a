-- LOOK_REQUEST: the record, its revision, the time, and the halt.
local found = row(request)
if not found[2] then
  return {'UNKNOWN_REQUEST'}
end
return {'OK', found, now, redis.call('HGET', meta, 'halt')}
