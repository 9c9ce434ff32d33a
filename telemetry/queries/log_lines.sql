-- Raw lines, oldest first.
SELECT time, service, instance, severity, body, trace_id, span_id, region, cluster
FROM
(
    SELECT
        fromUnixTimestamp64Micro(intDiv(toUnixTimestamp64Nano(Timestamp), 1000), 'UTC') AS time,
        toString(ServiceName) AS service,
        arrayFirst(value -> value != '', arrayMap(key -> ResourceAttributes[key], {instance_keys:Array(String)})) AS instance,
        if(SeverityNumber > 0, SeverityNumber,
            transform(upper(SeverityText), {severity_texts:Array(String)}, {severity_numbers:Array(UInt8)}, 0)) AS number,
        if(number > 0, {severity_names:Array(String)}[toUInt8(intDiv(number + 3, 4) + 1)], upper(SeverityText)) AS severity,
        toValidUTF8(Body) AS body,
        TraceId AS trace_id,
        SpanId AS span_id,
        ResourceAttributes[{region_key:String}] AS region,
        ResourceAttributes[{cluster_key:String}] AS cluster
    FROM otel_logs
    WHERE Tenant = {tenant:String} AND Recording = {recording:String}
        AND Timestamp >= fromUnixTimestamp64Nano({start:Int64}) AND Timestamp < fromUnixTimestamp64Nano({end:Int64})
        AND Timestamp < fromUnixTimestamp64Nano({horizon:Int64})
        AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
        AND ({contains:String} = '' OR position(Body, {contains:String}) > 0)
    ORDER BY Timestamp, service, body
    LIMIT {limit:UInt64}
)
ORDER BY time, service, body
