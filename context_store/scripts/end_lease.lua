-- END_LEASE: the holder's own.
raise_epoch()
if redis.call('GET', held) == holder then
  redis.call('DEL', held)
end
return {'OK'}
