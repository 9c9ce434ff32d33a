-- LIST_REQUESTS: newest first, after a place, each with its time; of one moment the greater id first.
local rows, index, passed = {}, only_waiting == 1 and waiting or recent, 0
local newest = after_ms < 0 and '+inf' or after_ms
while #rows < limit do
  local found = redis.call('ZREVRANGEBYSCORE', index, newest, '-inf', 'WITHSCORES', 'LIMIT', passed, limit + 1)
  if #found == 0 then
    break
  end
  for n = 1, #found, 2 do
    if #rows < limit and (after_ms < 0 or tonumber(found[n + 1]) < after_ms or found[n] < after_id) then
      local one = row(found[n])
      one[4] = tonumber(found[n + 1])
      rows[#rows + 1] = one
    end
  end
  passed = passed + #found / 2
end
return {'OK', rows, now, redis.call('HGET', meta, 'halt')}
