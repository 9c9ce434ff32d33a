-- END_SESSIONS: at once. Of each name it answers what was kept: of two that end the same one, only the first gets it.
local found = {}
for _, name in ipairs(names) do
  found[#found + 1] = redis.call('HGET', records, name) or ''
  redis.call('HDEL', records, name)
  redis.call('ZREM', ends, name)
end
return {'OK', found}
