-- Calls between services per step: a span whose parent belongs to another service. Declared edges are listed without calls too.
WITH family AS
(
    SELECT
        sipHash64(TraceId, SpanId) AS id,
        if(ParentSpanId = '', 0, sipHash64(TraceId, ParentSpanId)) AS parent,
        toString(ServiceName) AS service,
        toUnixTimestamp64Nano(Timestamp) AS began,
        Duration AS duration,
        positionCaseInsensitive(toString(StatusCode), 'error') > 0 AS failed
    FROM otel_traces
    WHERE Tenant = {tenant:String} AND Recording = {recording:String}
        AND Timestamp >= fromUnixTimestamp64Nano({start:Int64} - {family:Int64})
        AND Timestamp < fromUnixTimestamp64Nano({end:Int64})
        AND Timestamp < fromUnixTimestamp64Nano({horizon:Int64})
        AND toUnixTimestamp64Nano(Timestamp) + Duration < {horizon:Int64}
)
SELECT
    caller,
    callee,
    max(declared) AS declared,
    sum(calls) AS calls,
    sum(errors) AS errors,
    arrayMap(s -> s.1, arraySort(groupArrayArray(steps))) AS times,
    arrayMap(s -> s.2, arraySort(groupArrayArray(steps))) AS count,
    arrayMap(s -> s.3, arraySort(groupArrayArray(steps))) AS error_count,
    arrayMap(s -> s.4, arraySort(groupArrayArray(steps))) AS p50_ms,
    arrayMap(s -> s.5, arraySort(groupArrayArray(steps))) AS p99_ms
FROM
(
    SELECT
        caller,
        callee,
        false AS declared,
        sum(spans) AS calls,
        sum(failures) AS errors,
        groupArray((time, spans, failures, quantiles[1] / 1e6, quantiles[2] / 1e6)) AS steps
    FROM
    (
        SELECT
            callers.service AS caller,
            own.service AS callee,
            fromUnixTimestamp64Micro(intDiv({start:Int64} + intDiv(own.began - {start:Int64}, {step:Int64}) * {step:Int64}, 1000), 'UTC') AS time,
            count() AS spans,
            countIf(own.failed) AS failures,
            quantilesExactInclusive(0.5, 0.99)(own.duration) AS quantiles
        FROM (SELECT * FROM family WHERE parent != 0 AND began >= {start:Int64} AND began < {end:Int64}) AS own
        LEFT ANY JOIN (SELECT id, service FROM family) AS callers ON callers.id = own.parent
        WHERE callers.id != 0 AND callers.service != own.service
        GROUP BY caller, callee, time
    )
    GROUP BY caller, callee
    UNION ALL
    SELECT DISTINCT Caller AS caller, Callee AS callee, true, 0, 0, []
    FROM topology
    WHERE Tenant = {tenant:String} AND Recording = {recording:String}
        AND DeclaredAt < fromUnixTimestamp64Nano({horizon:Int64})
)
GROUP BY caller, callee
ORDER BY caller, callee
