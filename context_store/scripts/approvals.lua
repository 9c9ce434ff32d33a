-- The words that the scripts over a tenant's approvals and audit log share.

-- A higher epoch voids what was open: whoever looks next finds everything due.
if raise_epoch() then
  local all = redis.call('HGETALL', states)
  for n = 1, #all, 2 do
    if redis.call('ZSCORE', due, all[n]) then
      redis.call('ZADD', due, 0, all[n])
    end
  end
end

-- Events get their time and their place here and nowhere else.
local function log(events, private)
  for _, event in ipairs(events) do
    redis.call('RPUSH', audit, string.format('%.0f', now) .. ' ' .. event)
  end
  for _, pair in ipairs(private) do
    redis.call('HSET', texts, pair[1], pair[2])
  end
end

-- due_in_ms below 0: nobody has to look at it any more.
local function write(request, record, state, due_in_ms)
  redis.call('HSET', requests, request, record)
  redis.call('HSET', states, request, state)
  if due_in_ms < 0 then
    redis.call('ZREM', due, request)
  else
    redis.call('ZADD', due, now + due_in_ms, request)
  end
  return redis.call('HINCRBY', revisions, request, 1)
end

local function row(request)
  return {request, redis.call('HGET', requests, request), tonumber(redis.call('HGET', revisions, request))}
end
