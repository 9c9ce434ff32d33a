-- COUNT_OCCURRENCES: how many are shown in each of some investigations. No id holds a bar.
local counts = {}
for n, investigation in ipairs(investigations) do
  counts[n] = redis.call('ZLEXCOUNT', links, '[' .. investigation .. '|', '(' .. investigation .. '}')
end
return {'OK', counts}
