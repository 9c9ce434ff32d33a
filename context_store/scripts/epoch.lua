-- Stands in front of every script. A process at an older epoch is refused; time is Redis' own, never a client's.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local seen = tonumber(redis.call('HGET', meta, 'epoch')) or 0
if epoch < seen then
  return {'STALE_EPOCH', seen}
end

-- True when this call is the first at a higher epoch in this slot.
local function raise_epoch()
  if epoch > seen then
    redis.call('HSET', meta, 'epoch', epoch)
    return true
  end
  return false
end
