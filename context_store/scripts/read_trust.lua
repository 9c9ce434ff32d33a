-- READ_TRUST: the record of one name, and the time.
return {'OK', redis.call('HGET', trust, name), now}
