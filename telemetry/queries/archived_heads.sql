-- A tenant's archived investigations without what they found, newest first.
SELECT Id AS id, argMax(Head, ArchivedAt) AS head
FROM middlewatch.archived_investigations
WHERE Tenant = {tenant:String}
GROUP BY Id
ORDER BY max(OpenedAt) DESC NULLS LAST, Id DESC
LIMIT {limit:UInt64}
