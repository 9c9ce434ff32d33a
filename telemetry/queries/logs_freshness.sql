-- How far the logs reach before the horizon, and how many services wrote in the window.
SELECT
    count() AS items,
    fromUnixTimestamp64Micro(intDiv(toUnixTimestamp64Nano(max(Timestamp)), 1000), 'UTC') AS watermark,
    uniqExactIf(ServiceName, Timestamp >= fromUnixTimestamp64Nano({start:Int64}) AND Timestamp < fromUnixTimestamp64Nano({end:Int64})) AS services
FROM otel_logs
WHERE Tenant = {tenant:String} AND Recording = {recording:String}
    AND Timestamp < fromUnixTimestamp64Nano({horizon:Int64})
    AND Timestamp >= fromUnixTimestamp64Nano({horizon:Int64}) - toIntervalDay(7)
