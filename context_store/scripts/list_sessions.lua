-- LIST_SESSIONS: everything that has not ended, the newest end first.
local found = {}
for _, name in ipairs(redis.call('ZREVRANGE', ends, 0, -1)) do
  found[#found + 1] = {name, redis.call('HGET', records, name)}
end
return {'OK', found}
