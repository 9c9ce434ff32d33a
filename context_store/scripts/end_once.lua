-- END_ONCE: it still is the holder's -> the answer is kept; without one ('') anybody may do it at once.
if redis.call('HGET', kept, 'holder') ~= holder then
  return {'LOST'}
end
if answer == '' then
  redis.call('HSET', kept, 'until', 0)
else
  redis.call('HSET', kept, 'answer', answer)
end
redis.call('PEXPIRE', kept, keep_ms)
return {'OK'}
