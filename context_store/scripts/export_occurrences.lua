-- EXPORT of a tenant's occurrences, in one piece.
local found = {}
for _, key in ipairs({records, tokens, current, due, recent, links, plans}) do
  found[#found + 1] = content(key)
end
return {'OK', found}
