-- FORGET_TEXT: the log keeps the digest and says that the text is gone; nobody can tell any more what it is of. The note in which it
-- stands, where one does ('' for none), becomes what the caller made of it, if it still is as they saw it.
if name ~= '' and (redis.call('HGET', notes, name) or '') ~= before then
  return {'MOVED'}
end
local there = redis.call('HDEL', texts, digest)
if there == 1 then
  if record ~= before then
    redis.call('HSET', notes, name, record)
  end
  log(events, private)
end
return {'OK', there}
