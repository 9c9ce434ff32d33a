-- SNAPSHOT: all of one investigation in one piece.
if not known then
  return {'UNKNOWN'}
end
local statuses = {}
local written = {}
for _, name in ipairs(redis.call('LRANGE', order, 0, -1)) do
  if string.sub(name, 1, 5) == 'task|' then
    statuses[#statuses + 1] = status(string.sub(name, 6))
  else
    written[#written + 1] = name
    written[#written + 1] = redis.call('HGET', records, name)
  end
end
return {'OK', head(), statuses, written, redis.call('HGET', meta, 'report'), redis.call('HGET', meta, 'preliminary')}
