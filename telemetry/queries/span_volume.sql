-- How many spans began before and after a moment of the window.
SELECT countIf(Timestamp < fromUnixTimestamp64Nano({recent:Int64})) AS older, countIf(Timestamp >= fromUnixTimestamp64Nano({recent:Int64})) AS recent
FROM otel_traces
WHERE Tenant = {tenant:String} AND Recording = {recording:String}
    AND Timestamp >= fromUnixTimestamp64Nano({start:Int64}) AND Timestamp < fromUnixTimestamp64Nano({end:Int64})
    AND Timestamp < fromUnixTimestamp64Nano({horizon:Int64})
