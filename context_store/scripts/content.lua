-- The words that the scripts for backup and restore share: a key of any kind as {kind, items}, and back.
local function content(key)
  local kind = redis.call('TYPE', key).ok
  if kind == 'hash' then
    return {kind, redis.call('HGETALL', key)}
  elseif kind == 'list' then
    return {kind, redis.call('LRANGE', key, 0, -1)}
  elseif kind == 'set' then
    return {kind, redis.call('SMEMBERS', key)}
  elseif kind == 'zset' then
    return {kind, redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')}
  elseif kind == 'stream' then
    return {kind, redis.call('XRANGE', key, '-', '+')}
  end
  return {kind, {}}
end

local function write_content(key, kind, items)
  redis.call('DEL', key)
  if kind == 'hash' then
    for n = 1, #items, 2 do
      redis.call('HSET', key, items[n], items[n + 1])
    end
  elseif kind == 'zset' then
    for n = 1, #items, 2 do
      redis.call('ZADD', key, items[n + 1], items[n])
    end
  elseif kind == 'list' then
    for _, item in ipairs(items) do
      redis.call('RPUSH', key, item)
    end
  elseif kind == 'set' then
    for _, item in ipairs(items) do
      redis.call('SADD', key, item)
    end
  elseif kind == 'stream' then
    for _, entry in ipairs(items) do
      redis.call('XADD', key, entry[1], unpack(entry[2]))
    end
  end
end
