-- A sample of requests: each of their spans that wrote lines, or is of an operation that does, with the patterns that it wrote, each at
-- its first line. The sample is by trace id: whole requests, and the same ones in logs and traces.
-- A span that no trace has, as under sampling, has no operation and lasts from its first line to its last.
WITH
written AS
(
    SELECT
        service,
        trace,
        span,
        min(at) AS first_line,
        max(latest) AS last_line,
        arraySort(line -> (line.2, line.1), groupArray((pattern, at))) AS lines
    FROM
    (
        SELECT
            toString(ServiceName) AS service,
            cityHash64(TraceId) AS trace,
            if(SpanKey = 0, cityHash64(TraceId, ServiceName), SpanKey) AS span, -- without a span id, all that a service writes
            toString(Pattern) AS pattern,
            min(toUnixTimestamp64Nano(Timestamp)) AS at,
            max(toUnixTimestamp64Nano(Timestamp)) AS latest
        FROM otel_logs
        WHERE Tenant = {tenant:String} AND Recording = {recording:String} AND TraceId != ''
            AND bitAnd(cityHash64(TraceId), 65535) < {kept:UInt32}
            AND Timestamp >= fromUnixTimestamp64Nano({start:Int64}) AND Timestamp < fromUnixTimestamp64Nano({end:Int64})
            AND Timestamp < fromUnixTimestamp64Nano({horizon:Int64})
            AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
        GROUP BY service, trace, span, pattern
    )
    GROUP BY service, trace, span
),
spans AS
(
    SELECT
        SpanKey AS span,
        cityHash64(TraceId) AS trace,
        toString(ServiceName) AS service,
        toString(SpanName) AS operation,
        toUnixTimestamp64Nano(Timestamp) AS began,
        began + toInt64(Duration) AS ended
    FROM otel_traces
    WHERE Tenant = {tenant:String} AND Recording = {recording:String}
        AND bitShiftRight(SpanKey, 48) < {kept:UInt32} -- the same bits of the same hash
        AND Timestamp >= fromUnixTimestamp64Nano({start:Int64} - {family:Int64})
        AND Timestamp < fromUnixTimestamp64Nano({end:Int64})
        AND Timestamp < fromUnixTimestamp64Nano({horizon:Int64})
        AND ended < {horizon:Int64}
        AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
)
SELECT
    trace,
    service,
    operation,
    fromUnixTimestamp64Micro(intDiv(start, 1000), 'UTC') AS began,
    fromUnixTimestamp64Micro(intDiv(stop, 1000), 'UTC') AS ended,
    arrayMap(line -> line.1, lines) AS patterns,
    arrayMap(line -> fromUnixTimestamp64Micro(intDiv(line.2, 1000), 'UTC'), lines) AS times
FROM
(
    SELECT
        if(spans.span = 0, written.trace, spans.trace) AS trace,
        if(written.span = 0, spans.service, written.service) AS service,
        spans.operation AS operation,
        if(spans.span = 0, first_line, spans.began) AS start,
        if(spans.span = 0, last_line, spans.ended) AS stop,
        lines,
        max(written.span != 0) OVER (PARTITION BY service, operation) AS talkative
    FROM spans
    FULL JOIN written ON written.span = spans.span
)
WHERE talkative AND start >= {start:Int64} AND start < {end:Int64}
ORDER BY start, trace, service, operation
