-- LOOK_BUDGET: what an investigation and today have spent, what stands reserved included.
local today = math.floor(now / 86400000)
local own, all = {}, {}
for n = 1, 3 do
  own[n] = tonumber(redis.call('HGET', spent, n)) or 0
  all[n] = tonumber(redis.call('HGET', days, today .. '|' .. n)) or 0
end
return {'OK', own, all}
