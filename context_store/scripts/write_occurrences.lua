-- WRITE_OCCURRENCES: each that still is as the caller saw it -> as the caller has it; a new one only where the alert's latest one still
-- is the one that it comes after. Sent again, the same answer. What an investigation is to be opened with is kept in the same step, where
-- any occurrence of it was written: whoever finds it opens the investigation. A decision (view is 0 or more) is made from a view of the
-- whole, and refused where another one was made since.
raise_epoch()
local done, any = {}, false
local decided = tonumber(redis.call('HGET', meta, 'decided') or 0)
local fresh = view < 0 or view == decided
for n, change in ipairs(changes) do
  local id, record, before, alert, after, first, due_ms, shown = unpack(change)
  local token = redis.call('HGET', tokens, id) or ''
  local free = fresh and token == before and (alert == '' or (redis.call('HGET', current, alert) or '') == after)
  if token == call then
    done[n] = 1
  elseif free then
    redis.call('HSET', records, id, record)
    redis.call('HSET', tokens, id, call)
    if alert ~= '' then
      redis.call('HSET', current, alert, id)
    end
    redis.call('ZADD', recent, 'NX', string.format('%.0f', first), id)
    if due_ms < 0 then
      redis.call('ZREM', due, id)
    else
      redis.call('ZADD', due, string.format('%.0f', due_ms), id)
    end
    for _, one in ipairs(shown) do
      redis.call('ZADD', links, 0, one .. '|' .. id)
    end
    done[n], any = 1, true
  else
    done[n] = 0
  end
end
if any and view >= 0 then
  decided = redis.call('HINCRBY', meta, 'decided', 1)
end
if any and investigation ~= '' then
  redis.call('HSETNX', plans, investigation, plan)
end
return {'OK', done, decided}
