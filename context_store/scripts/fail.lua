-- FAIL: holder only -> ready after a pause, or dead. A task that is given back unharmed is ready at once, in front, and the
-- attempt does not count. Asked again by the same holder, the same answer.
if not known then
  return {'STALE'}
end
local holder = token_epoch .. '.' .. token_counter .. ' ' .. owner
if get(task, 'failed') == holder then
  return {'OK', get(task, 'failed_to'), {}}
end
if not is_open() or not holds(task, owner, token_epoch, token_counter) then
  return {'STALE'}
end
local state
if given_back == 1 then
  redis.call('ZREM', leases, task)
  redis.call('HINCRBY', tasks, task .. '|attempts', -1)
  make_ready(task, tonumber(get(task, 'since')))
  task_event('task.given_back', task, {})
  state = 'ready'
else
  task_event('task.failed', task, {error = error, attempt = tonumber(get(task, 'attempts'))})
  state = retry(task, error, now + backoff_ms, max_attempts)
end
set(task, {failed = holder, failed_to = state})
note_stalled()
return {'OK', state, ready}
