-- SET_HALT: nothing begins from now on; lifted with an empty halt. What is so already stays as it is.
local before = redis.call('HGET', meta, 'halt')
if (before and halt ~= '') or (not before and halt == '') then
  return {'OK', before, now}
end
if halt == '' then
  redis.call('HDEL', meta, 'halt')
else
  redis.call('HSET', meta, 'halt', halt)
end
log(events, private)
return {'OK', halt ~= '' and halt, now}
