-- Imports of a tenant that began long ago and were never published.
SELECT DISTINCT Recording AS name
FROM middlewatch.imports
WHERE Tenant = {tenant:String}
    AND StartedAt < now64(6) - toIntervalSecond({age_seconds:Int64})
    AND Recording NOT IN (SELECT Recording FROM middlewatch.recordings WHERE Tenant = {tenant:String})
ORDER BY name
