-- READ_COUNTS: a line with the name of each bucket and one with what was counted in it, all in one text: thousands of short answers take
-- a client longer to read than one long one.
return {'OK', table.concat(redis.call('HGETALL', buckets), '\n')}
