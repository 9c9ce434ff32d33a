-- How far the clocks of callers and callees are apart. A call that is waited for lies inside the span that waits, so by how much the
-- callee's clock is ahead lies between what its beginning and what its end allow: the medians of both, over a sample of requests.
WITH spans AS
(
    SELECT
        SpanKey AS id,
        ParentKey AS parent,
        toString(ServiceName) AS service,
        toUnixTimestamp64Nano(Timestamp) AS began,
        toInt64(Duration) AS duration
    FROM otel_traces
    WHERE Tenant = {tenant:String} AND Recording = {recording:String}
        AND bitShiftRight(SpanKey, 48) < {kept:UInt32}
        AND Timestamp >= fromUnixTimestamp64Nano({start:Int64}) AND Timestamp < fromUnixTimestamp64Nano({end:Int64})
        AND Timestamp < fromUnixTimestamp64Nano({horizon:Int64})
        AND toUnixTimestamp64Nano(Timestamp) + Duration < {horizon:Int64}
)
SELECT
    callers.service AS caller,
    own.service AS callee,
    count() AS calls,
    quantileExact(0.5)(intDiv(own.began - callers.began - (callers.duration - own.duration), 1000)) AS least,
    quantileExact(0.5)(intDiv(own.began - callers.began, 1000)) AS most
FROM spans AS own
INNER JOIN spans AS callers ON callers.id = own.parent
WHERE own.parent != 0 AND callers.service != own.service AND callers.duration >= own.duration
GROUP BY caller, callee
ORDER BY caller, callee
