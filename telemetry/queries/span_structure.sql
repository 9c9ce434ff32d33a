-- How many spans of an operation have a child of a kind, per step.
WITH family AS
(
    SELECT
        sipHash64(TraceId, SpanId) AS id,
        if(ParentSpanId = '', 0, sipHash64(TraceId, ParentSpanId)) AS parent,
        toString(ServiceName) AS service,
        toString(SpanName) AS operation,
        toUnixTimestamp64Nano(Timestamp) AS began
    FROM otel_traces
    WHERE Tenant = {tenant:String} AND Recording = {recording:String}
        AND Timestamp >= fromUnixTimestamp64Nano({start:Int64} - {family:Int64})
        AND Timestamp < fromUnixTimestamp64Nano({end:Int64} + {family:Int64})
        AND Timestamp < fromUnixTimestamp64Nano({horizon:Int64})
        AND toUnixTimestamp64Nano(Timestamp) + Duration < {horizon:Int64}
),
units AS
(
    SELECT
        own.id AS id,
        own.service AS service,
        own.operation AS operation,
        parents.operation AS parent_operation,
        intDiv(own.began - {start:Int64}, {step:Int64}) AS step
    FROM
    (
        SELECT * FROM family
        WHERE began >= {start:Int64} AND began < {end:Int64}
            AND (empty({services:Array(String)}) OR service IN {services:Array(String)})
    ) AS own
    LEFT ANY JOIN (SELECT id, operation FROM family) AS parents ON parents.id = own.parent
)
SELECT
    service,
    operation,
    parent_operation,
    child_service,
    child_operation,
    arrayMap(s -> fromUnixTimestamp64Micro(intDiv({start:Int64} + s.1 * {step:Int64}, 1000), 'UTC'), totals.steps) AS times,
    arrayMap(s -> s.2, totals.steps) AS units,
    arrayMap(s -> pairs.with_child[s.1], totals.steps) AS present
FROM
(
    SELECT service, operation, parent_operation, child_service, child_operation, mapFromArrays(groupArray(step), groupArray(spans)) AS with_child
    FROM
    (
        SELECT
            units.service AS service,
            units.operation AS operation,
            units.parent_operation AS parent_operation,
            kinds.service AS child_service,
            kinds.operation AS child_operation,
            units.step AS step,
            count() AS spans
        FROM (SELECT DISTINCT parent, service, operation FROM family WHERE parent != 0) AS kinds
        INNER JOIN units ON units.id = kinds.parent
        GROUP BY service, operation, parent_operation, child_service, child_operation, step
    )
    GROUP BY service, operation, parent_operation, child_service, child_operation
) AS pairs
INNER JOIN
(
    SELECT service, operation, parent_operation, arraySort(groupArray((step, spans))) AS steps
    FROM (SELECT service, operation, parent_operation, step, count() AS spans FROM units GROUP BY service, operation, parent_operation, step)
    GROUP BY service, operation, parent_operation
) AS totals USING (service, operation, parent_operation)
ORDER BY service, operation, parent_operation, child_service, child_operation
