-- REAP: claimed and expired -> ready, in front of everything that was enqueued later; tried too often -> dead.
if not known then
  return {'UNKNOWN'}
end
local reaped = {}
for _, task in ipairs(redis.call('ZRANGEBYSCORE', leases, '-inf', now, 'LIMIT', 0, limit)) do
  task_event('task.reaped', task, {owner = get(task, 'owner'), attempt = tonumber(get(task, 'attempts'))})
  retry(task, 'the lease expired', tonumber(get(task, 'since')), max_attempts)
  reaped[#reaped + 1] = status(task)
end
if #reaped > 0 then
  note_stalled()
end
return {'OK', reaped, ready}
