-- IMPORT of a tenant's occurrences, instead of what is there.
raise_epoch()
for n, key in ipairs({records, tokens, current, due, recent, links, plans}) do
  write_content(key, contents[n][1], contents[n][2])
end
return {'OK'}
