-- Raw spans, slowest first.
SELECT
    TraceId AS trace_id,
    SpanId AS span_id,
    ParentSpanId AS parent_span_id,
    toString(ServiceName) AS service,
    arrayFirst(value -> value != '', arrayMap(key -> ResourceAttributes[key], {instance_keys:Array(String)})) AS instance,
    toString(SpanName) AS operation,
    fromUnixTimestamp64Micro(intDiv(toUnixTimestamp64Nano(Timestamp), 1000), 'UTC') AS start,
    toInt64(Duration) AS duration_ns,
    toString(StatusCode) AS status,
    ResourceAttributes[{region_key:String}] AS region,
    ResourceAttributes[{cluster_key:String}] AS cluster
FROM otel_traces
WHERE Tenant = {tenant:String} AND Recording = {recording:String}
    AND Timestamp >= fromUnixTimestamp64Nano({start:Int64}) AND Timestamp < fromUnixTimestamp64Nano({end:Int64})
    AND toUnixTimestamp64Nano(Timestamp) + Duration < {horizon:Int64}
    AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
    AND (empty({trace_ids:Array(String)}) OR TraceId IN {trace_ids:Array(String)})
ORDER BY Duration DESC, Timestamp, span_id
LIMIT {limit:UInt64}
