-- RESERVE: nobody has this alert, or the one that had it is over -> it is ours, with all that is needed to open it,
-- so that whoever finds a reservation can finish the opening. Asked again, the same answer.
raise_epoch()
local holder = redis.call('HGET', alerts, alert)
if holder and holder ~= instead_of and holder ~= investigation then
  return {'TAKEN'}
end
redis.call('HSET', alerts, alert, investigation)
redis.call('HSET', opening, investigation, payload)
redis.call('SADD', open, investigation)
redis.call('ZADD', recent, 'NX', now, investigation)
return {'OK', holder == investigation and 0 or 1}
