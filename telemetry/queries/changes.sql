-- Changes in the window, oldest first.
SELECT
    fromUnixTimestamp64Micro(intDiv(toUnixTimestamp64Nano(Timestamp), 1000), 'UTC') AS time,
    toString(ServiceName) AS service,
    toString(Kind) AS kind,
    Version AS version,
    Actor AS actor,
    toValidUTF8(Description) AS description,
    ResourceAttributes[{region_key:String}] AS region,
    ResourceAttributes[{cluster_key:String}] AS cluster
FROM changes
WHERE Tenant = {tenant:String} AND Recording = {recording:String}
    AND Timestamp >= fromUnixTimestamp64Nano({start:Int64}) AND Timestamp < fromUnixTimestamp64Nano({end:Int64})
    AND Timestamp < fromUnixTimestamp64Nano({horizon:Int64})
    AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
ORDER BY time, service, kind, version
