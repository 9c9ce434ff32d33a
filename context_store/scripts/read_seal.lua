-- READ_SEAL: how far the log is sealed, since when, what is needed to go on, the newest checkpoint, and the log's size.
local found = redis.call('HMGET', sealed, 'size', 'at', 'tree')
return {'OK', tonumber(found[1]) or 0, tonumber(found[2]) or 0, found[3], redis.call('LINDEX', checkpoints, -1), redis.call('LLEN', audit), now}
