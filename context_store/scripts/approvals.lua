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

-- What waits is made out anew where there are other requests than it is of: it was never made, the store was restored, or an older
-- version proposed something. What is over stays in it where somebody may still have to review it; whoever reads it looks.
local over = {succeeded = true, failed = true, denied = true, expired = true, superseded = true, refused = true}
if tonumber(redis.call('HGET', meta, 'indexed') or 0) ~= redis.call('HLEN', requests) then
  redis.call('DEL', waiting)
  local all = redis.call('HGETALL', states)
  for n = 1, #all, 2 do
    local record = over[all[n + 1]] and redis.call('HGET', requests, all[n])
    if not record or string.find(record, '"break_glass":{', 1, true) then
      redis.call('ZADD', waiting, redis.call('ZSCORE', recent, all[n]) or now, all[n])
    end
  end
  redis.call('HSET', meta, 'indexed', redis.call('HLEN', requests))
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

-- due_in_ms below 0: nobody has to look at it any more. waits: whether somebody must, or something.
local function write(request, record, state, due_in_ms, waits)
  redis.call('HSET', requests, request, record)
  redis.call('HSET', meta, 'indexed', redis.call('HLEN', requests))
  if waits == 1 then
    redis.call('ZADD', waiting, redis.call('ZSCORE', recent, request) or now, request)
  else
    redis.call('ZREM', waiting, request)
  end
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

-- Of an index, newest first and of one moment the greater id first: at most so many after a place, each with its time.
local function part(index, after_ms, after_id, oldest_ms, limit)
  local found, passed, newest = {}, 0, after_ms < 0 and '+inf' or after_ms
  while #found < limit do
    local some = redis.call('ZREVRANGEBYSCORE', index, newest, oldest_ms, 'WITHSCORES', 'LIMIT', passed, limit + 1)
    if #some == 0 then
      break
    end
    for n = 1, #some, 2 do
      local at = tonumber(some[n + 1])
      if #found < limit and (after_ms < 0 or at < after_ms or some[n] < after_id) then
        found[#found + 1] = {some[n], at}
      end
    end
    passed = passed + #some / 2
  end
  return found
end
