-- The words that the scripts over one investigation share.
local known = redis.call('EXISTS', meta) == 1

-- Tasks that this script made ready: id, time, id, time, ... The caller feeds them to the queues; the outbox keeps them until
-- they are claimed, so that a sweep can do it as well.
local ready = {}

local function get(task, field)
  return redis.call('HGET', tasks, task .. '|' .. field)
end

local function set(task, values)
  for field, value in pairs(values) do
    redis.call('HSET', tasks, task .. '|' .. field, value)
  end
end

local function event(kind, data)
  redis.call('XADD', events, '*', 'kind', kind, 'data', cjson.encode(data))
end

-- An event about a task says which kind of task it is, and whose.
local function task_event(kind, task, data)
  local record = cjson.decode(get(task, 'task'))
  data.task = task
  data.task_kind = record.kind
  data.agent = record.arguments.agent
  event(kind, data)
end

local function is_open()
  return redis.call('HGET', meta, 'state') == 'open'
end

-- The fence: only the holder of the current token of the current epoch may write.
local function holds(task, owner, token_epoch, token_counter)
  return get(task, 'state') == 'claimed'
    and get(task, 'owner') == owner
    and tonumber(get(task, 'epoch')) == token_epoch
    and tonumber(get(task, 'counter')) == token_counter
    and token_epoch == epoch
end

local function make_ready(task, at)
  set(task, {state = 'ready'})
  redis.call('ZADD', outbox, at, task)
  ready[#ready + 1] = task
  ready[#ready + 1] = at
end

-- ENQUEUE: absent -> ready, attempts = 0.
local function enqueue(task, json, group)
  set(task, {task = json, attempts = 0, group = group, since = now})
  redis.call('RPUSH', order, 'task|' .. task)
  redis.call('HINCRBY', meta, 'live', 1)
  make_ready(task, now)
  task_event('task.ready', task, {})
end

-- A task is done or dead: the last of its group enqueues what follows the group.
local function leave(task)
  redis.call('ZREM', leases, task)
  redis.call('HINCRBY', meta, 'live', -1)
  local group = get(task, 'group')
  if group ~= '' and redis.call('HINCRBY', groups, group .. '|left', -1) == 0 then
    local following = redis.call('HGET', groups, group .. '|then')
    redis.call('HDEL', groups, group .. '|left', group .. '|then')
    if following then
      enqueue(following, get(following, 'task'), '')
    end
  end
end

-- Ready again, or dead when it was tried too often. A dead task is always shown to a person.
local function retry(task, error, at, max_attempts)
  redis.call('ZREM', leases, task)
  set(task, {error = error})
  if tonumber(get(task, 'attempts')) < max_attempts then
    make_ready(task, at)
    return 'ready'
  end
  set(task, {state = 'dead', finished_at = now})
  redis.call('HINCRBY', meta, 'dead', 1)
  task_event('task.dead', task, {error = error})
  leave(task)
  return 'dead'
end

-- Nothing is left that could bring the investigation to its report: somebody must look.
local function note_stalled()
  if is_open() and redis.call('HGET', meta, 'live') == '0' then
    redis.call('HSET', meta, 'stalled', 1)
    event('investigation.stalled', {dead = tonumber(redis.call('HGET', meta, 'dead')) or 0})
  end
end

local function close(state)
  redis.call('HSET', meta, 'state', state, 'closed_at', now)
  redis.call('DEL', outbox, leases, groups)
  ready = {}
  event('investigation.' .. state, {})
end

-- Written if absent: a task that runs again writes nothing twice.
local function write(records_written)
  local new = 0
  for _, pair in ipairs(records_written) do
    if redis.call('HSETNX', records, pair[1], pair[2]) == 1 then
      redis.call('RPUSH', order, pair[1])
      new = new + 1
    end
  end
  return new
end

local function head()
  return redis.call('HMGET', meta, 'investigation', 'state', 'opened_at', 'closed_at', 'stalled', 'headline')
end

local function status(task)
  local fields = {'task', 'state', 'attempts', 'owner', 'error', 'result', 'finished_at'}
  for n, field in ipairs(fields) do
    fields[n] = get(task, field)
  end
  return fields
end

-- A higher epoch voids every lease: what was claimed at a lower one is reaped at the next look.
if known and raise_epoch() then
  for _, task in ipairs(redis.call('ZRANGE', leases, 0, -1)) do
    redis.call('ZADD', leases, 0, task)
  end
  event('epoch.raised', {epoch = epoch})
end
