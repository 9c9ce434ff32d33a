-- END_PLAN: the investigation stands in its own slot.
raise_epoch()
redis.call('HDEL', plans, investigation)
return {'OK'}
