-- LOOK: the investigation, its state, and the time.
if not known then
  return {'UNKNOWN'}
end
return {'OK', head(), now}
