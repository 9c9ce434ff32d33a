-- READ_CHECKPOINTS: all of them, oldest first.
return {'OK', redis.call('LRANGE', checkpoints, 0, -1)}
