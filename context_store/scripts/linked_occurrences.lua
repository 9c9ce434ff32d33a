-- LINKED_OCCURRENCES: those that are shown in each of some investigations. No id holds a bar.
local parts = {}
for n, investigation in ipairs(investigations) do
  local rows, from, to = {}, '[' .. investigation .. '|', '(' .. investigation .. '}'
  for m, link in ipairs(redis.call('ZRANGEBYLEX', links, from, to, 'LIMIT', 0, limit)) do
    local id = string.sub(link, #investigation + 2)
    rows[m] = {id, redis.call('HGET', records, id), redis.call('HGET', tokens, id), redis.call('ZSCORE', due, id)}
  end
  parts[2 * n - 1], parts[2 * n] = rows, redis.call('ZLEXCOUNT', links, from, to)
end
return {'OK', now, parts}
