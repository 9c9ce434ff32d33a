-- FEED: hints from the outboxes. One that is there already stays where it is.
raise_epoch()
local new = 0
for _, entry in ipairs(entries) do
  new = new + redis.call('ZADD', hints, 'NX', entry[2], entry[1])
end
return {'OK', new}
