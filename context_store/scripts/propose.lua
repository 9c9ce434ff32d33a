-- PROPOSE: absent -> written, with its events. Asked again, what is there.
local found = row(request)
if found[2] then
  return {'EXISTS', found, now}
end
redis.call('ZADD', recent, now, request)
write(request, record, state, due_in_ms, waits)
log(events, private)
return {'OK', row(request), now}
