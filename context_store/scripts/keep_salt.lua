-- KEEP_SALT: the first salt of an investigation stays, and whoever comes later gets the same.
raise_epoch()
local there = redis.call('GET', kept)
if not there then
  redis.call('SET', kept, salt)
end
redis.call('PEXPIRE', kept, keep_ms)
return {'OK', there or salt}
