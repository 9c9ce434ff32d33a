-- RESERVE_BUDGET: within the budget of the investigation, of the day and of the ten minutes, and enough is left for those that took less ->
-- it is spent, and known by its name until it is settled. A day is one of UTC by the store's own clock; every day that the clock shows has
-- its own account, so a clock that jumps and comes back finds what was spent before. Amounts are calls, millionths of a dollar, and tokens.
raise_epoch()
local today = math.floor(now / 86400000)
local hours = math.floor(now % 86400000 / 3600000) + 1
local window = math.floor(now / window_ms)
local held = 'held|' .. reservation
if redis.call('HEXISTS', spent, held) == 1 then
  return {'OK'}
end

local function of_today(name)
  return tonumber(redis.call('HGET', days, today .. '|' .. name))
end

-- The first of a window: how far the day may be spent in it.
local fresh = not of_today('window')
if of_today('window') ~= window then
  redis.call('HSET', days, today .. '|window', window)
  for n = 1, 3 do
    local open = math.floor(day[n] * (at_midnight + (100 - at_midnight) * hours / 24) / 100)
    local all = of_today(n) or 0
    redis.call('HSET', days, today .. '|until' .. n, all + math.floor((open - all) / window_part))
  end
  redis.call('PEXPIRE', days, keep_ms)
end

-- A new day: the accounts that are farthest from it go, so that as many stay as are kept.
if fresh then
  local accounts = {}
  for _, field in ipairs(redis.call('HKEYS', days)) do
    local of = string.match(field, '^(%d+)|window$')
    if of then
      accounts[#accounts + 1] = tonumber(of)
    end
  end
  table.sort(accounts, function(a, b)
    return math.abs(a - today) < math.abs(b - today) or (math.abs(a - today) == math.abs(b - today) and a > b)
  end)
  for place = kept_days + 1, #accounts do
    for _, name in ipairs({'window', '1', '2', '3', 'until1', 'until2', 'until3'}) do
      redis.call('HDEL', days, accounts[place] .. '|' .. name)
    end
  end
end

for n = 1, 3 do
  local own, all, ceiling = tonumber(redis.call('HGET', spent, n)) or 0, of_today(n) or 0, of_today('until' .. n)
  if own + estimate[n] > most[n] then
    return {'SPENT', 'investigation', n, own, most[n]}
  end
  if all + estimate[n] > ceiling then
    return {'SPENT', 'day', n, all, ceiling}
  end
  if leave * own > ceiling - all - estimate[n] then
    return {'SPENT', 'share', n, own, ceiling - all}
  end
end

for n = 1, 3 do
  redis.call('HINCRBY', spent, n, estimate[n])
  redis.call('HINCRBY', days, today .. '|' .. n, estimate[n])
end
redis.call('HSET', spent, held, cjson.encode({today, estimate[1], estimate[2], estimate[3]}))
redis.call('PEXPIRE', spent, keep_ms)
redis.call('PEXPIRE', days, keep_ms)
return {'OK'}
