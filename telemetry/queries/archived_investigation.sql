-- One archived investigation of a tenant.
SELECT Content AS content
FROM middlewatch.archived_investigations
WHERE Tenant = {tenant:String} AND Id = {id:String}
ORDER BY ArchivedAt DESC
LIMIT 1
