-- FORGET_TEXT: the log keeps the digest and says that the text is gone; nobody can tell any more what it is of. Where it stands in a
-- note as one of these fields, it goes as well. A quote within a text is escaped, so that a field is found and nothing else.
local there = redis.call('HDEL', texts, digest)
if there == 1 then
  local all = redis.call('HGETALL', notes)
  for n = 1, #all, 2 do
    local record = all[n + 1]
    for _, field in ipairs(string.sub(all[n], 1, #among) == among and fields or {}) do
      local from, to = string.find(record, field .. text, 1, true)
      while from do
        record = string.sub(record, 1, from - 1) .. field .. '""' .. string.sub(record, to + 1)
        from, to = string.find(record, field .. text, from + #field, true)
      end
    end
    if record ~= all[n + 1] then
      redis.call('HSET', notes, all[n], record)
    end
  end
  log(events, private)
end
return {'OK', there}
