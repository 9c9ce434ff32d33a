-- READ_LOOK: what a look found last.
return {'OK', redis.call('HGET', looks, name) or ''}
