-- DUE_OCCURRENCES: what somebody must look at by now, the earliest first, and investigations that are not known to be open yet.
raise_epoch()
local rows = {}
for n, id in ipairs(redis.call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, limit)) do
  rows[n] = {id, redis.call('HGET', records, id), redis.call('HGET', tokens, id), redis.call('ZSCORE', due, id)}
end
return {'OK', now, rows, redis.call('HGETALL', plans), tonumber(redis.call('HGET', meta, 'decided') or 0)}
