-- Requests that services answered, per step: spans of servers and consumers, and roots that are no calls to somebody else.
-- Operations that are not asked for by name share a row, whose operation is ''; so there are few rows, whatever spans are called.
-- Limits come as texts, in nanoseconds, since parameters are texts, numbers, or lists of texts.
WITH arrayMap(text -> toUInt64(text), {limits_ns:Array(String)}) AS limits
SELECT
    toString(ServiceName) AS service,
    if(has({operations:Array(String)}, toString(SpanName)), toString(SpanName), '') AS operation,
    fromUnixTimestamp64Micro(intDiv({start:Int64} + step * {step:Int64}, 1000), 'UTC') AS time,
    count() AS count,
    countIf(failed) AS errors,
    sumForEach(arrayMap(limit -> toUInt64(Duration <= limit), limits)) AS within,
    sumForEach(arrayMap(limit -> toUInt64(failed AND Duration <= limit), limits)) AS errors_within,
    quantileTDigest(0.99)(Duration) / 1e6 AS p99_ms
FROM
(
    SELECT ServiceName, SpanName, Duration, positionCaseInsensitive(StatusCode, 'error') > 0 AS failed,
        intDiv(toUnixTimestamp64Nano(Timestamp) - {start:Int64}, {step:Int64}) AS step
    FROM otel_traces
    WHERE Tenant = {tenant:String} AND Recording = {recording:String}
        AND Timestamp >= fromUnixTimestamp64Nano({start:Int64}) AND Timestamp < fromUnixTimestamp64Nano({end:Int64})
        AND toUnixTimestamp64Nano(Timestamp) + Duration < {horizon:Int64}
        AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
        AND
        (
            match(SpanKind, '(?i)server|consumer')
            OR (ParentSpanId IN ('', '0000000000000000') AND NOT match(SpanKind, '(?i)client|producer'))
        )
)
GROUP BY service, operation, step
ORDER BY service, operation, step
