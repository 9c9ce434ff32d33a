-- LOOK_SESSION: what is kept under a name, unless it has ended.
return {'OK', redis.call('HGET', records, name) or ''}
