-- KEEP_CALL: what a call of a language model came to, under its name. It goes with the last of its investigation, after a while.
raise_epoch()
redis.call('HSET', kept, call, text)
redis.call('PEXPIRE', kept, keep_ms)
return {'OK'}
