-- SET_NOTE: it still is as the caller saw it ('' for none) -> the new one ('' for none), with its events.
local found = redis.call('HGET', notes, name) or ''
if found ~= before then
  return {'MOVED', found}
end
if record == '' then
  redis.call('HDEL', notes, name)
else
  redis.call('HSET', notes, name, record)
end
log(events, private)
return {'OK', record}
