-- LINKED_OCCURRENCES: those that are shown in an investigation. No id holds a bar.
local rows, from, to = {}, '[' .. investigation .. '|', '(' .. investigation .. '}'
for n, link in ipairs(redis.call('ZRANGEBYLEX', links, from, to, 'LIMIT', 0, limit)) do
  local id = string.sub(link, #investigation + 2)
  rows[n] = {id, redis.call('HGET', records, id), redis.call('HGET', tokens, id), redis.call('ZSCORE', due, id)}
end
return {'OK', now, rows, redis.call('ZLEXCOUNT', links, from, to)}
