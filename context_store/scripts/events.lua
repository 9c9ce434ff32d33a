-- EVENTS: what happened after an event that the reader has seen.
if not known then
  return {'UNKNOWN'}
end
local from = '-'
if after ~= '' then
  from = '(' .. after
end
return {'OK', redis.call('XRANGE', events, from, '+', 'COUNT', limit)}
