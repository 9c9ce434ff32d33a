-- READ_RAISED: fingerprints, each with the message that was sent last.
return {'OK', redis.call('HGETALL', raised)}
