-- CLOSED: nothing to sweep or reap there any more.
raise_epoch()
redis.call('SREM', open, investigation)
return {'OK'}
