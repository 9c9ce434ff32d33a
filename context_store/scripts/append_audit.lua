-- APPEND_AUDIT: events that no request is about.
log(events, private)
return {'OK', redis.call('LLEN', audit), now}
