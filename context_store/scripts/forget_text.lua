-- FORGET_TEXT: the log keeps the digest and says that the text is gone; nobody can tell any more what it is of.
local there = redis.call('HDEL', texts, digest)
if there == 1 then
  log(events, private)
end
return {'OK', there}
