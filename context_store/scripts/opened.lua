-- OPENED: the investigation stands in its own slot.
raise_epoch()
redis.call('HDEL', opening, investigation)
return {'OK'}
