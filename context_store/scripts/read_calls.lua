-- READ_CALLS: what is kept of the calls of an investigation.
return {'OK', redis.call('HVALS', kept)}
