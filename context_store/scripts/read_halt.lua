-- READ_HALT: the halt, and the time.
return {'OK', redis.call('HGET', meta, 'halt'), now}
