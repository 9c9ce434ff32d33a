-- READ_TEXTS: the salt and the text behind each digest, where they were not deleted.
local found = {}
for n, digest in ipairs(digests) do
  found[n] = redis.call('HGET', texts, digest)
end
return {'OK', found}
