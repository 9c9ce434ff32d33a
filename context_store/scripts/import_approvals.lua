-- IMPORT of a tenant's approvals and audit log, instead of what is there. The epoch was raised: everything open is due.
for n, key in ipairs({requests, revisions, states, due, recent, notes, audit, texts, checkpoints, sealed}) do
  write_content(key, contents[n][1], contents[n][2])
end
redis.call('HDEL', meta, 'indexed')
if halt ~= '' then
  redis.call('HSET', meta, 'halt', halt)
end
for _, request in ipairs(redis.call('ZRANGE', due, 0, -1)) do
  redis.call('ZADD', due, 0, request)
end
return {'OK'}
