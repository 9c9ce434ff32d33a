-- FIND_REQUESTS: those whose record holds all of the texts, newest first. At most so many are looked at in one step, so that nobody
-- else waits for long: reading each of them here costs a tenth of sending them all.
local rows, wanted, last = {}, {}, false
for _, state in ipairs(in_states) do
  wanted[state] = true
end
local looked = part(recent, after_ms, after_id, oldest_ms, look_at)
for n, one in ipairs(looked) do
  if #in_states == 0 or wanted[redis.call('HGET', states, one[1])] then
    local record = redis.call('HGET', requests, one[1])
    for _, text in ipairs(record and holding or {}) do
      record = record and string.find(record, text, 1, true) and record
    end
    if record then
      rows[#rows + 1] = row(one[1])
    end
  end
  if #rows == limit or n == look_at then
    last = {one[2], one[1]}
    break
  end
end
return {'OK', rows, now, redis.call('HGET', meta, 'halt'), last}
