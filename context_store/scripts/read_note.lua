-- READ_NOTE: what is kept under a name.
return {'OK', redis.call('HGET', notes, name) or ''}
