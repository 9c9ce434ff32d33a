-- CANCEL: open -> cancelled. Claims are refused from now on, and whoever holds one has lost it.
if not known then
  return {'UNKNOWN'}
end
if is_open() then
  close('cancelled')
end
return {'OK'}
