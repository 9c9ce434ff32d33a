-- WRITE_RAISED: a message stands for its fingerprint; an empty one takes it away.
raise_epoch()
for _, pair in ipairs(messages) do
  if pair[2] == '' then
    redis.call('HDEL', raised, pair[1])
  else
    redis.call('HSET', raised, pair[1], pair[2])
  end
end
return {'OK'}
