-- TRANSITION: the revision that was judged is still the newest, the time is in the bounds for which it was judged, and nothing is
-- halted where that matters -> the new record and its events, in one step.
local found = row(request)
if not found[2] then
  return {'UNKNOWN_REQUEST'}
end
if found[3] ~= revision then
  return {'CONFLICT', found, now}
end
if now < not_before_ms or (not_after_ms >= 0 and now >= not_after_ms) then
  return {'TIME', found, now}
end
if unless_halted == 1 and redis.call('HEXISTS', meta, 'halt') == 1 then
  return {'HALTED', found, now}
end
write(request, record, state, due_in_ms, waits)
log(events, private)
return {'OK', row(request), now}
