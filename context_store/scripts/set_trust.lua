-- SET_TRUST: the record of a tier that was moved down, or none.
if record == '' then
  redis.call('HDEL', trust, name)
else
  redis.call('HSET', trust, name, record)
end
log(events, private)
return {'OK'}
