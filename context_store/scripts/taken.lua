-- TAKEN: what this request took before, if anything.
raise_epoch()
return {'OK', redis.call('GET', taken)}
