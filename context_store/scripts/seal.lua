-- SEAL: further than sealed before, and not further than the log -> the checkpoint, and what is needed to go on from it.
local before = tonumber(redis.call('HGET', sealed, 'size')) or 0
if size <= before or size > redis.call('LLEN', audit) then
  return {'PAST', before}
end
redis.call('RPUSH', checkpoints, note)
redis.call('HSET', sealed, 'size', size, 'at', now, 'tree', tree)
return {'OK', size}
