-- The ids of a tenant's archived investigations that come after one; '' comes before all.
SELECT DISTINCT Id AS id
FROM middlewatch.archived_investigations
WHERE Tenant = {tenant:String} AND Id > {after:String}
ORDER BY Id
