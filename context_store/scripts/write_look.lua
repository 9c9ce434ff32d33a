-- WRITE_LOOK: it takes the place of the one before.
raise_epoch()
redis.call('HSET', looks, name, found)
return {'OK'}
