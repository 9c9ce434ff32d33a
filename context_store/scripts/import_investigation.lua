-- IMPORT of one investigation, instead of what is there. The epoch was raised, so its leases are void.
for n, key in ipairs({meta, tasks, records, order, outbox, leases, groups, grants, events}) do
  write_content(key, contents[n][1], contents[n][2])
end
redis.call('DEL', gone)
redis.call('HSET', meta, 'epoch', epoch)
for _, task in ipairs(redis.call('ZRANGE', leases, 0, -1)) do
  redis.call('ZADD', leases, 0, task)
end
return {'OK'}
