-- CLAIM: a request that was granted before -> the same grant again, or SPENT when its time is over. Else a ready task of an
-- open investigation -> the fence counter rises, the task gets owner, fence and lease, and one more attempt is counted. The kinds that
-- are named get the other lease.
local function grant()
  return {'OK', get(task, 'task'), tonumber(get(task, 'attempts')), tonumber(get(task, 'epoch')), tonumber(get(task, 'counter'))}
end

if not known then
  return {redis.call('EXISTS', gone) == 1 and 'GONE' or 'REFUSED'}
end
local granted = redis.call('HGET', grants, request)
if granted then
  if is_open() and granted == task and get(task, 'request') == request and holds(task, worker, epoch, tonumber(get(task, 'counter'))) then
    return grant()
  end
  return {'SPENT'}
end
if not is_open() or get(task, 'state') ~= 'ready' then
  return {'REFUSED'}
end
local from = tonumber(redis.call('ZSCORE', outbox, task))
if from > now then
  return {'EARLY', from}
end
redis.call('ZREM', outbox, task)
local kind = cjson.decode(get(task, 'task')).kind
for _, pair in ipairs(of_kinds) do
  lease_ms = pair[1] == kind and tonumber(pair[2]) or lease_ms
end
redis.call('ZADD', leases, now + lease_ms, task)
redis.call('HSET', grants, request, task)
redis.call('HINCRBY', tasks, task .. '|attempts', 1)
local counter = redis.call('HINCRBY', meta, 'fence', 1)
set(task, {state = 'claimed', owner = worker, epoch = epoch, counter = counter, request = request})
task_event('task.claimed', task, {owner = worker, attempt = tonumber(get(task, 'attempts'))})
return grant()
