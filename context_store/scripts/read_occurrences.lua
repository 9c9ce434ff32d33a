-- READ_OCCURRENCES: some by their ids.
local rows = {}
for n, id in ipairs(ids) do
  local record = redis.call('HGET', records, id)
  rows[n] = record and {id, record, redis.call('HGET', tokens, id), redis.call('ZSCORE', due, id)} or false
end
return {'OK', now, rows}
