-- Live changes as they were reported, the newest first; of some ids alone, of some services, or of some kinds.
SELECT
    fromUnixTimestamp64Micro(intDiv(toUnixTimestamp64Nano(Timestamp), 1000), 'UTC') AS time,
    toValidUTF8(toString(ServiceName)) AS service,
    toString(Kind) AS kind,
    toValidUTF8(Version) AS version,
    toValidUTF8(Actor) AS actor,
    toValidUTF8(Description) AS description,
    ResourceAttributes[{region_key:String}] AS region,
    ResourceAttributes[{cluster_key:String}] AS cluster,
    ResourceAttributes['middlewatch.change.sender'] AS sender,
    ResourceAttributes['middlewatch.change.reference'] AS reference,
    ResourceAttributes['middlewatch.change.mapped_by'] AS mapped_by,
    ResourceAttributes['middlewatch.change.url'] AS url,
    ResourceAttributes['middlewatch.change.id'] AS id
FROM changes
WHERE Tenant = {tenant:String} AND Recording = {recording:String}
    AND Timestamp < fromUnixTimestamp64Nano({horizon:Int64})
    AND Timestamp >= fromUnixTimestamp64Nano({since:Int64})
    AND (empty({ids:Array(String)}) OR has({ids:Array(String)}, ResourceAttributes['middlewatch.change.id']))
    AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
    AND (empty({kinds:Array(String)}) OR Kind IN {kinds:Array(String)})
ORDER BY time DESC, service, kind, version, id
LIMIT {limit:UInt64}
