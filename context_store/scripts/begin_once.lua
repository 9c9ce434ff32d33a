-- BEGIN_ONCE: nobody began it, or whoever did is gone without an answer -> it is the holder's to do, since when it was begun first.
-- Asked again by the same holder, the same answer. What was answered at a lower epoch may be of something that a restore, or a replica
-- that lagged, does not have: it is done again, and finds what there is.
raise_epoch()
local found = redis.call('HMGET', kept, 'fingerprint', 'holder', 'until', 'answer', 'since', 'epoch')
local same = tonumber(found[6]) == epoch
if found[1] and found[1] ~= fingerprint then
  return {'OTHER'}
end
if found[4] and same then
  return {'DONE', found[4]}
end
if same and found[2] and found[2] ~= holder and tonumber(found[3]) > now then
  return {'BUSY', tonumber(found[3]) - now}
end
local since = tonumber(found[5]) or now
redis.call('HSET', kept, 'fingerprint', fingerprint, 'holder', holder, 'until', now + lease_ms, 'since', since, 'epoch', epoch)
redis.call('HDEL', kept, 'answer')
redis.call('PEXPIRE', kept, keep_ms)
return {'OK', since}
