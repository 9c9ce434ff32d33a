-- READ_AUDIT: events from a place in the log on (0 is the first), and how many there are.
return {'OK', redis.call('LRANGE', audit, start, start + limit - 1), redis.call('LLEN', audit), now}
