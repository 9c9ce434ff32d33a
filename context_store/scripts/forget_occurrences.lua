-- FORGET_OCCURRENCES: those that still are as the caller saw them.
raise_epoch()
local gone = 0
for _, row in ipairs(rows) do
  local id, token, alert, shown = unpack(row)
  if redis.call('HGET', tokens, id) == token then
    redis.call('HDEL', records, id)
    redis.call('HDEL', tokens, id)
    if redis.call('HGET', current, alert) == id then
      redis.call('HDEL', current, alert)
    end
    redis.call('ZREM', due, id)
    redis.call('ZREM', recent, id)
    for _, one in ipairs(shown) do
      redis.call('ZREM', links, one .. '|' .. id)
    end
    gone = gone + 1
  end
end
return {'OK', gone}
