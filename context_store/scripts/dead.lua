-- DEAD: poison tasks, for a person to look at.
if not known then
  return {'UNKNOWN'}
end
local found = {}
if redis.call('HGET', meta, 'dead') then
  for _, name in ipairs(redis.call('LRANGE', order, 0, -1)) do
    local task = string.sub(name, 6)
    if string.sub(name, 1, 5) == 'task|' and get(task, 'state') == 'dead' then
      found[#found + 1] = status(task)
    end
  end
end
return {'OK', found}
