-- ENROL: remember a tenant.
raise_epoch()
redis.call('SADD', tenants, tenant)
return {'OK'}
