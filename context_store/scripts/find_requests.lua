-- FIND_REQUESTS: those whose record names something, newest first. Reading each of them here costs a tenth of sending them all.
local rows, quoted, wanted = {}, '"' .. naming .. '"', {}
for _, state in ipairs(in_states) do
  wanted[state] = true
end
for _, request in ipairs(redis.call('ZREVRANGE', recent, 0, -1)) do
  if #in_states == 0 or wanted[redis.call('HGET', states, request)] then
    local record = redis.call('HGET', requests, request)
    if record and string.find(record, quoted, 1, true) then
      rows[#rows + 1] = row(request)
    end
  end
end
return {'OK', rows, now, redis.call('HGET', meta, 'halt')}
