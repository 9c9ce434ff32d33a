-- Bodies with their variable parts masked (see schema/0016_otel_logs_keys.sql), counted per service and step, most frequent first.
-- Texts are hashed by themselves before they are put together: that is done once per different text, not once per line. Each pattern's
-- steps are sorted and counted in one list, since almost every line may be in a step of its own; and bodies are read only where the
-- first line of some pattern is.
WITH
    -- Where each run of equal steps begins, and how far it is to the next.
    arrayFilter((place, s, before) -> place = 1 OR s != before, arrayEnumerate(steps), steps, arrayPushFront(arrayPopBack(steps), 0)) AS runs
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
    arrayMap(s -> fromUnixTimestamp64Micro(intDiv({start:Int64} + s * {step:Int64}, 1000), 'UTC'), arrayCompact(steps)) AS times,
    arrayMap(lines -> toUInt64(lines), arrayPopFront(arrayDifference(arrayPushBack(runs, toUInt32(length(steps) + 1))))) AS count
FROM
(
    SELECT
        cityHash64(cityHash64(ServiceName), cityHash64(Pattern)) AS key,
        toString(any(ServiceName)) AS service,
        toString(any(Pattern)) AS pattern,
        max(if(SeverityNumber > 0, SeverityNumber,
            transform(upper(SeverityText), {severity_texts:Array(String)}, {severity_numbers:Array(UInt8)}, 0))) AS number,
        maxIf(upper(SeverityText), SeverityNumber = 0) AS text,
        count() AS total,
        min(toUnixTimestamp64Nano(Timestamp)) AS began,
        max(toUnixTimestamp64Nano(Timestamp)) AS ended,
        arraySort(groupArray(toUInt32(intDiv(toUnixTimestamp64Nano(Timestamp) - {start:Int64}, {step:Int64})))) AS steps
    FROM otel_logs
    WHERE Tenant = {tenant:String} AND Recording = {recording:String}
        AND Timestamp >= fromUnixTimestamp64Nano({start:Int64}) AND Timestamp < fromUnixTimestamp64Nano({end:Int64})
        AND Timestamp < fromUnixTimestamp64Nano({horizon:Int64})
        AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
    GROUP BY key
    ORDER BY total DESC, service, pattern
    LIMIT {limit:UInt64}
) AS counted
INNER JOIN
(
    SELECT
        cityHash64(cityHash64(ServiceName), cityHash64(Pattern)) AS key,
        argMin((Body, TraceId, SpanId), Timestamp) AS example
    FROM otel_logs
    WHERE Tenant = {tenant:String} AND Recording = {recording:String}
        AND Timestamp >= fromUnixTimestamp64Nano({start:Int64}) AND Timestamp < fromUnixTimestamp64Nano({end:Int64})
        AND Timestamp < fromUnixTimestamp64Nano({horizon:Int64})
        AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
        AND Timestamp IN
        (
            SELECT min(Timestamp)
            FROM otel_logs
            WHERE Tenant = {tenant:String} AND Recording = {recording:String}
                AND Timestamp >= fromUnixTimestamp64Nano({start:Int64}) AND Timestamp < fromUnixTimestamp64Nano({end:Int64})
                AND Timestamp < fromUnixTimestamp64Nano({horizon:Int64})
                AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
            GROUP BY cityHash64(cityHash64(ServiceName), cityHash64(Pattern))
        )
    GROUP BY key
) AS described USING key
ORDER BY total DESC, service, pattern
