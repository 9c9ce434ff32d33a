-- LIST_REQUESTS: newest first, after a place, each with its time; of one moment the greater id first.
local rows = {}
for _, one in ipairs(part(only_waiting == 1 and waiting or recent, after_ms, after_id, '-inf', limit)) do
  local found = row(one[1])
  found[4] = one[2]
  rows[#rows + 1] = found
end
return {'OK', rows, now, redis.call('HGET', meta, 'halt')}
