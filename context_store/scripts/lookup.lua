-- LOOKUP: which investigation was opened for this alert last, and with what, if it is not open yet.
raise_epoch()
local investigation = redis.call('HGET', alerts, alert)
return {'OK', investigation, investigation and redis.call('HGET', opening, investigation)}
