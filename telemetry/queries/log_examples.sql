-- Lines of each pattern on both sides of a moment, the nearest to it first.
SELECT service, pattern, after, body
FROM
(
    SELECT
        toString(ServiceName) AS service,
        toString(Pattern) AS pattern,
        toUnixTimestamp64Nano(Timestamp) >= {split:Int64} AS after,
        abs(toUnixTimestamp64Nano(Timestamp) - {split:Int64}) AS distance,
        toValidUTF8(substringUTF8(Body, 1, 1000)) AS body
    FROM otel_logs
    WHERE Tenant = {tenant:String} AND Recording = {recording:String}
        AND Timestamp >= fromUnixTimestamp64Nano({start:Int64}) AND Timestamp < fromUnixTimestamp64Nano({end:Int64})
        AND Timestamp < fromUnixTimestamp64Nano({horizon:Int64})
        AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
    ORDER BY service, pattern, after, distance, body
    LIMIT {each:UInt64} BY service, pattern, after
)
LIMIT {limit:UInt64}
