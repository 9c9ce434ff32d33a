-- Spans per operation in its context and step. Self time is a span's duration less its direct children's, not below 0.
-- Everything between the scan and the answer is numbers, 8 bytes for an id instead of 48: that is what makes 10 M spans answerable.
WITH
    (
        -- Services by number, in the order of their names.
        SELECT arraySort(groupUniqArray(toString(ServiceName)))
        FROM otel_traces
        WHERE Tenant = {tenant:String} AND Recording = {recording:String}
            AND Timestamp >= fromUnixTimestamp64Nano({start:Int64} - {family:Int64})
            AND Timestamp < fromUnixTimestamp64Nano({end:Int64} + {family:Int64})
            AND Timestamp < fromUnixTimestamp64Nano({horizon:Int64})
            AND toUnixTimestamp64Nano(Timestamp) + Duration < {horizon:Int64}
    ) AS services,
    spans AS
    (
        SELECT
            cityHash64(TraceId, SpanId) AS id,
            if(ParentSpanId = '', 0, cityHash64(TraceId, ParentSpanId)) AS parent,
            toUInt32(transform(toString(ServiceName), services, arrayEnumerate(services), 0)) AS service,
            cityHash64(SpanName) AS operation,
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
    -- Every span counts twice: as itself, and as a part of its parent. Grouped by whom it counts for, that is a span and its children.
    units AS
    (
        SELECT
            max(if(part, 0, service)) AS own_service,
            max(if(part, 0, operation)) AS own_operation,
            max(if(part, 0, parent_operation)) AS own_parent_operation,
            max(if(part, 0, began)) AS own_began,
            max(if(part, 0, duration)) AS own_duration,
            max(if(part, 0, failed)) AS own_failed,
            sum(if(part, duration, 0)) AS children_duration,
            -- The number of no service where there is none, and the smallest of several.
            min(if(part AND service != parent_service, service, 4294967295)) AS callee
        FROM
        (
            SELECT
                own.id AS id, own.parent AS parent, own.service AS service, own.operation AS operation,
                own.began AS began, own.duration AS duration, own.failed AS failed,
                parents.service AS parent_service, parents.operation AS parent_operation
            FROM spans AS own
            LEFT ANY JOIN (SELECT id, service, operation FROM spans) AS parents ON parents.id = own.parent
        )
        ARRAY JOIN [false, true] AS part
        WHERE NOT part OR parent_service != 0
        GROUP BY if(part, parent, id)
    ),
    operations AS
    (
        SELECT cityHash64(SpanName) AS operation, any(toString(SpanName)) AS name
        FROM otel_traces
        WHERE Tenant = {tenant:String} AND Recording = {recording:String}
            AND Timestamp >= fromUnixTimestamp64Nano({start:Int64} - {family:Int64})
            AND Timestamp < fromUnixTimestamp64Nano({end:Int64} + {family:Int64})
            AND Timestamp < fromUnixTimestamp64Nano({horizon:Int64})
            AND toUnixTimestamp64Nano(Timestamp) + Duration < {horizon:Int64}
        GROUP BY operation
    )
SELECT
    services[answer.service] AS service,
    operations.name AS operation,
    parents.name AS parent_operation,
    services[answer.callee] AS callee,
    arrayMap(s -> fromUnixTimestamp64Micro(intDiv({start:Int64} + s.1 * {step:Int64}, 1000), 'UTC'), steps) AS times,
    arrayMap(s -> s.2, steps) AS count,
    arrayMap(s -> s.3, steps) AS errors,
    arrayMap(s -> s.4, steps) AS mean_log_self,
    arrayMap(s -> s.5, steps) AS variance_log_self,
    arrayMap(s -> s.6, steps) AS mean_ms
FROM
(
    SELECT service, operation, parent_operation, callee, arraySort(groupArray((step, spans, errors, mean_log, variance_log, mean_duration))) AS steps
    FROM
    (
        WITH log(greatest(toInt64(own_duration) - toInt64(children_duration), 0) / 1e6 + {floor_ms:Float64}) AS log_self
        SELECT
            own_service AS service,
            own_operation AS operation,
            own_parent_operation AS parent_operation,
            callee,
            intDiv(own_began - {start:Int64}, {step:Int64}) AS step,
            count() AS spans,
            countIf(own_failed) AS errors,
            avg(log_self) AS mean_log,
            varPopStable(log_self) AS variance_log,
            avg(own_duration) / 1e6 AS mean_duration
        FROM units
        WHERE own_began >= {start:Int64} AND own_began < {end:Int64}
            AND (empty({services:Array(String)}) OR has({services:Array(String)}, services[own_service]))
        GROUP BY service, operation, parent_operation, callee, step
    )
    GROUP BY service, operation, parent_operation, callee
) AS answer
LEFT ANY JOIN operations ON operations.operation = answer.operation
LEFT ANY JOIN operations AS parents ON parents.operation = answer.parent_operation
ORDER BY service, operation, parent_operation, callee
