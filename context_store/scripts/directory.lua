-- DIRECTORY: a tenant's investigations, newest first.
raise_epoch()
return {'OK', redis.call('ZREVRANGE', recent, 0, limit - 1), redis.call('SMEMBERS', open), redis.call('HGETALL', opening)}
