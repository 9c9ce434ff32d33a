-- IMPORT of a tenant's directory, instead of what is there.
for n, key in ipairs({alerts, opening, open, recent}) do
  write_content(key, contents[n][1], contents[n][2])
end
raise_epoch()
return {'OK'}
