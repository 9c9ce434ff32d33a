-- The spans of a sample of requests, by trace id: whole requests, and the same ones in logs and traces. Ids as numbers, 8 bytes instead
-- of 48.
SELECT
    SpanKey AS id,
    ParentKey AS parent,
    if(ParentKey = 0, TraceId, '') AS trace_id,
    toString(ServiceName) AS service,
    arrayFirst(value -> value != '', arrayMap(key -> ResourceAttributes[key], {instance_keys:Array(String)})) AS instance,
    toString(SpanName) AS operation,
    toUnixTimestamp64Nano(Timestamp) AS start_ns,
    toInt64(Duration) AS duration_ns,
    positionCaseInsensitive(StatusCode, 'error') > 0 AS failed
FROM otel_traces
WHERE Tenant = {tenant:String} AND Recording = {recording:String}
    AND bitShiftRight(SpanKey, 48) < {kept:UInt32}
    AND Timestamp >= fromUnixTimestamp64Nano({start:Int64}) AND Timestamp < fromUnixTimestamp64Nano({end:Int64})
    AND Timestamp < fromUnixTimestamp64Nano({horizon:Int64})
    AND toUnixTimestamp64Nano(Timestamp) + Duration < {horizon:Int64}
ORDER BY id
