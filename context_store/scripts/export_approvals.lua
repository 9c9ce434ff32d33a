-- EXPORT of a tenant's approvals and audit log, in one piece.
local found = {}
for _, key in ipairs({requests, revisions, states, due, recent, notes, audit, texts, checkpoints, sealed}) do
  found[#found + 1] = content(key)
end
return {'OK', found, redis.call('HGET', meta, 'halt')}
