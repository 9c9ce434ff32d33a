-- Spans per operation in its context and step. Self time is a span's duration less its direct children's, not below 0.
-- Spans are matched by a hash of trace and span id: 8 bytes instead of 48 in the join's memory.
WITH family AS
(
    SELECT
        sipHash64(TraceId, SpanId) AS id,
        if(ParentSpanId = '', 0, sipHash64(TraceId, ParentSpanId)) AS parent,
        toString(ServiceName) AS service,
        toString(SpanName) AS operation,
        toUnixTimestamp64Nano(Timestamp) AS began,
        Duration AS duration,
        positionCaseInsensitive(toString(StatusCode), 'error') > 0 AS failed
    FROM otel_traces
    WHERE Tenant = {tenant:String} AND Recording = {recording:String}
        AND Timestamp >= fromUnixTimestamp64Nano({start:Int64} - {family:Int64})
        AND Timestamp < fromUnixTimestamp64Nano({end:Int64} + {family:Int64})
        AND Timestamp < fromUnixTimestamp64Nano({horizon:Int64})
        AND toUnixTimestamp64Nano(Timestamp) + Duration < {horizon:Int64}
),
-- Which services a span's children belong to is only known with the span, so one row per parent and service.
children AS
(
    SELECT parent, groupArray((child_service, child_duration)) AS by_service
    FROM
    (
        SELECT parent, service AS child_service, sum(duration) AS child_duration
        FROM family
        WHERE parent != 0
        GROUP BY parent, child_service
    )
    GROUP BY parent
)
SELECT
    service,
    operation,
    parent_operation,
    callee,
    arrayMap(s -> s.1, steps) AS times,
    arrayMap(s -> s.2, steps) AS count,
    arrayMap(s -> s.3, steps) AS errors,
    arrayMap(s -> s.4, steps) AS mean_log_self,
    arrayMap(s -> s.5, steps) AS variance_log_self,
    arrayMap(s -> s.6, steps) AS mean_ms
FROM
(
    SELECT service, operation, parent_operation, callee, arraySort(groupArray((time, spans, errors, mean_log, variance_log, mean_duration))) AS steps
    FROM
    (
        SELECT
            service,
            operation,
            parent_operation,
            callee,
            fromUnixTimestamp64Micro(intDiv({start:Int64} + step * {step:Int64}, 1000), 'UTC') AS time,
            count() AS spans,
            countIf(failed) AS errors,
            avg(log_self) AS mean_log,
            varPopStable(log_self) AS variance_log,
            avg(duration) / 1e6 AS mean_duration
        FROM
        (
            SELECT
                own.service AS service,
                own.operation AS operation,
                parents.operation AS parent_operation,
                arrayMin(arrayFilter(name -> name != service, children.by_service.1)) AS callee,
                intDiv(own.began - {start:Int64}, {step:Int64}) AS step,
                own.failed AS failed,
                own.duration AS duration,
                log(greatest(toInt64(own.duration) - toInt64(arraySum(children.by_service.2)), 0) / 1e6 + {floor_ms:Float64}) AS log_self
            FROM
            (
                SELECT * FROM family
                WHERE began >= {start:Int64} AND began < {end:Int64}
                    AND (empty({services:Array(String)}) OR service IN {services:Array(String)})
            ) AS own
            LEFT ANY JOIN children ON children.parent = own.id
            LEFT ANY JOIN (SELECT id, operation FROM family) AS parents ON parents.id = own.parent
        )
        GROUP BY service, operation, parent_operation, callee, step
    )
    GROUP BY service, operation, parent_operation, callee
)
ORDER BY service, operation, parent_operation, callee
