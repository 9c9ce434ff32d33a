-- TENANTS: all that ever opened an investigation.
raise_epoch()
return {'OK', redis.call('SMEMBERS', tenants)}
