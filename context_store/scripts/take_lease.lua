-- TAKE_LEASE: nobody has it, or the holder does -> it is the holder's for life_ms from now.
raise_epoch()
local has = redis.call('GET', held)
if has and has ~= holder then
  return {'OK', 0}
end
redis.call('SET', held, holder, 'PX', life_ms)
return {'OK', 1}
