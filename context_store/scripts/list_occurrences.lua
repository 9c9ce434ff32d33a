-- LIST_OCCURRENCES: the newest first.
local rows = {}
for n, id in ipairs(redis.call('ZREVRANGE', recent, start, start + limit - 1)) do
  rows[n] = {id, redis.call('HGET', records, id), redis.call('HGET', tokens, id), redis.call('ZSCORE', due, id)}
end
return {'OK', now, rows, redis.call('ZCARD', recent)}
