-- Bodies with their variable parts masked (see schema/0016_otel_logs_keys.sql), counted per service and step, most frequent first.
SELECT
    service,
    pattern,
    if(number > 0, {severity_names:Array(String)}[toUInt8(intDiv(number + 3, 4) + 1)], text) AS severity,
    total,
    fromUnixTimestamp64Micro(intDiv(began, 1000), 'UTC') AS first,
    fromUnixTimestamp64Micro(intDiv(ended, 1000), 'UTC') AS last,
    toValidUTF8(example.1) AS sample,
    example.2 AS sample_trace_id,
    example.3 AS sample_span_id,
    arrayMap(s -> fromUnixTimestamp64Micro(intDiv({start:Int64} + s.1 * {step:Int64}, 1000), 'UTC'), steps) AS times,
    arrayMap(s -> s.2, steps) AS count
FROM
(
    SELECT
        key,
        max(step_number) AS number,
        max(step_text) AS text,
        sum(lines) AS total,
        min(step_began) AS began,
        max(step_ended) AS ended,
        arraySort(groupArray((step, lines))) AS steps
    FROM
    (
        SELECT
            cityHash64(ServiceName, Pattern) AS key,
            toUInt32(intDiv(toUnixTimestamp64Nano(Timestamp) - {start:Int64}, {step:Int64})) AS step,
            max(if(SeverityNumber > 0, SeverityNumber,
                transform(upper(SeverityText), {severity_texts:Array(String)}, {severity_numbers:Array(UInt8)}, 0))) AS step_number,
            maxIf(upper(SeverityText), SeverityNumber = 0) AS step_text,
            count() AS lines,
            min(toUnixTimestamp64Nano(Timestamp)) AS step_began,
            max(toUnixTimestamp64Nano(Timestamp)) AS step_ended
        FROM otel_logs
        WHERE Tenant = {tenant:String} AND Recording = {recording:String}
            AND Timestamp >= fromUnixTimestamp64Nano({start:Int64}) AND Timestamp < fromUnixTimestamp64Nano({end:Int64})
            AND Timestamp < fromUnixTimestamp64Nano({horizon:Int64})
            AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
        GROUP BY key, step
    )
    GROUP BY key
) AS counted
INNER JOIN
(
    SELECT
        cityHash64(ServiceName, Pattern) AS key,
        toString(any(ServiceName)) AS service,
        toString(any(Pattern)) AS pattern,
        argMin((Body, TraceId, SpanId), Timestamp) AS example
    FROM otel_logs
    WHERE Tenant = {tenant:String} AND Recording = {recording:String}
        AND Timestamp >= fromUnixTimestamp64Nano({start:Int64}) AND Timestamp < fromUnixTimestamp64Nano({end:Int64})
        AND Timestamp < fromUnixTimestamp64Nano({horizon:Int64})
        AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
    GROUP BY key
) AS described USING key
ORDER BY total DESC, service, pattern
LIMIT {limit:UInt64}
