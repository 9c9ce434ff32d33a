-- LOOK_ALERTS: the latest occurrence of each alert.
local rows = {}
for n, alert in ipairs(alerts) do
  local id = redis.call('HGET', current, alert)
  local record = id and redis.call('HGET', records, id)
  rows[n] = record and {id, record, redis.call('HGET', tokens, id), redis.call('ZSCORE', due, id)} or false
end
return {'OK', now, rows}
