-- Imported recordings of a tenant: all of them, or the named one. Of two with the same content, the first that was published.
SELECT Recording AS name, toString(Digest) AS digest, Info AS info, Incidents AS incidents, Rows AS rows
FROM recordings
WHERE Tenant = {tenant:String} AND ({recording:String} = '' OR Recording = {recording:String})
ORDER BY ImportedAt, Recording
LIMIT 1 BY Digest
