-- FINISH: done before by the same owner, fence and digest -> REPLAY. Not the holder -> STALE. Else result, evidence, votes,
-- outbox and events together; the last task of a group enqueues what follows it, and a report closes the investigation and takes
-- the place of the preliminary one.
if not known then
  return {'STALE'}
end
local again = get(task, 'state') == 'done' and get(task, 'owner') == owner and get(task, 'digest') == digest
  and tonumber(get(task, 'epoch')) == token_epoch and tonumber(get(task, 'counter')) == token_counter
if again then
  if get(task, 'call') == call then
    return {'OK', redis.call('ZRANGE', outbox, 0, 99, 'WITHSCORES'), redis.call('HGET', meta, 'state')}
  end
  return {'REPLAY'}
end
if not is_open() or not holds(task, owner, token_epoch, token_counter) then
  return {'STALE'}
end
for _, list in ipairs({next_tasks, next_then}) do
  for _, pair in ipairs(list) do
    if get(pair[1], 'task') then
      return {'DUPLICATE', pair[1]}
    end
  end
end

set(task, {state = 'done', result = result, digest = digest, call = call, error = '', finished_at = now})
local new = write(written)
task_event('task.finished', task, {written = new})
for _, pair in ipairs(next_tasks) do
  enqueue(pair[1], pair[2], task)
end
for _, pair in ipairs(next_then) do
  if #next_tasks == 0 then
    enqueue(pair[1], pair[2], '')
  else
    set(pair[1], {task = pair[2]})
    redis.call('HSET', groups, task .. '|then', pair[1])
  end
end
if #next_tasks > 0 then
  redis.call('HSET', groups, task .. '|left', #next_tasks)
end
leave(task)
if preliminary ~= '' then
  redis.call('HSET', meta, 'preliminary', preliminary)
  event('report.preliminary', {})
end
if report ~= '' then
  redis.call('HSET', meta, 'report', report, 'headline', headline)
  redis.call('HDEL', meta, 'preliminary')
  close('closed')
end
note_stalled()
return {'OK', ready, redis.call('HGET', meta, 'state')}
