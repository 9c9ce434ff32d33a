-- EXPORT: everything of one investigation in one piece, as it is stored.
if not known then
  return {'UNKNOWN'}
end
local found = {}
for _, key in ipairs({meta, tasks, records, order, outbox, leases, groups, grants, events}) do
  found[#found + 1] = content(key)
end
return {'OK', found}
