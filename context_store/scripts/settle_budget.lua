-- SETTLE_BUDGET: a reservation that stands -> what it really was takes its place, on the day on which it was made. What is settled, or
-- was never granted, is not there, and nothing changes.
raise_epoch()
local held = redis.call('HGET', spent, 'held|' .. reservation)
if not held then
  return {'OK', 0}
end
held = cjson.decode(held)
for n = 1, 3 do
  redis.call('HINCRBY', spent, n, actual[n] - held[n + 1])
  if redis.call('HEXISTS', days, held[1] .. '|' .. n) == 1 then
    redis.call('HINCRBY', days, held[1] .. '|' .. n, actual[n] - held[n + 1])
  end
end
redis.call('HDEL', spent, 'held|' .. reservation)
return {'OK', 1}
