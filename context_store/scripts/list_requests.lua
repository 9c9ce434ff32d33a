-- LIST_REQUESTS: newest first.
local rows = {}
for _, request in ipairs(redis.call('ZREVRANGE', recent, 0, limit - 1)) do
  rows[#rows + 1] = row(request)
end
return {'OK', rows, now, redis.call('HGET', meta, 'halt')}
