-- FIND_REQUESTS: those whose record names something, newest first. Reading each of them here costs a tenth of sending them all.
local rows, quoted = {}, '"' .. naming .. '"'
for _, request in ipairs(redis.call('ZREVRANGE', recent, 0, -1)) do
  local record = redis.call('HGET', requests, request)
  if record and string.find(record, quoted, 1, true) then
    rows[#rows + 1] = row(request)
  end
end
return {'OK', rows, now, redis.call('HGET', meta, 'halt')}
