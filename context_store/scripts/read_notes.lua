-- READ_NOTES: what is kept under each of the names, which are not none.
return {'OK', redis.call('HMGET', notes, unpack(names))}
