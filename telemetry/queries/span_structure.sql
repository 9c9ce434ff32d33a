-- How many spans of an operation have a child of a kind, per step. Numbers until the end, as in span_operations.
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
            max(if(part, 0, service)) AS own_service,
            max(if(part, 0, operation)) AS own_operation,
            max(if(part, 0, parent_operation)) AS own_parent_operation,
            max(if(part, 0, began)) AS own_began,
            groupUniqArrayIf(cityHash64(service, operation), part) AS kinds
        FROM
        (
            SELECT
                own.id AS id, own.parent AS parent, own.service AS service, own.operation AS operation, own.began AS began,
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
    ),
    kinds_of_child AS
    (
        SELECT cityHash64(service, cityHash64(SpanName)) AS kind, any(toString(ServiceName)) AS service_name, any(toString(SpanName)) AS name
        FROM otel_traces
        WHERE Tenant = {tenant:String} AND Recording = {recording:String}
            AND Timestamp >= fromUnixTimestamp64Nano({start:Int64} - {family:Int64})
            AND Timestamp < fromUnixTimestamp64Nano({end:Int64} + {family:Int64})
            AND Timestamp < fromUnixTimestamp64Nano({horizon:Int64})
            AND toUnixTimestamp64Nano(Timestamp) + Duration < {horizon:Int64}
        GROUP BY toUInt32(transform(toString(ServiceName), services, arrayEnumerate(services), 0)) AS service, SpanName
    )
SELECT
    services[answer.service] AS service,
    operations.name AS operation,
    parents.name AS parent_operation,
    children.service_name AS child_service,
    children.name AS child_operation,
    arrayMap(s -> fromUnixTimestamp64Micro(intDiv({start:Int64} + s.1 * {step:Int64}, 1000), 'UTC'), answer.all_units) AS times,
    arrayMap(s -> s.2, answer.all_units) AS units,
    arrayMap(s -> answer.with_child[s.1], answer.all_units) AS present
FROM
(
    SELECT service, operation, parent_operation, kind, with_child, all_units
    FROM
    (
        SELECT
            service, operation, parent_operation,
            groupArrayIf((kind, by_step), kind != 0) AS by_kind,
            arraySort(arrayZip(mapKeys(anyIf(by_step, kind = 0)), mapValues(anyIf(by_step, kind = 0)))) AS all_units
        FROM
        (
            SELECT service, operation, parent_operation, kind, mapFromArrays(groupArray(step), groupArray(spans)) AS by_step
            FROM
            (
                -- The kind 0 is the span itself, so that it is counted with and without children.
                SELECT
                    own_service AS service, own_operation AS operation, own_parent_operation AS parent_operation,
                    arrayJoin(arrayPushBack(kinds, 0)) AS kind,
                    intDiv(own_began - {start:Int64}, {step:Int64}) AS step,
                    count() AS spans
                FROM units
                WHERE own_began >= {start:Int64} AND own_began < {end:Int64}
                    AND (empty({services:Array(String)}) OR has({services:Array(String)}, services[own_service]))
                GROUP BY service, operation, parent_operation, kind, step
            )
            GROUP BY service, operation, parent_operation, kind
        )
        GROUP BY service, operation, parent_operation
    )
    ARRAY JOIN by_kind.1 AS kind, by_kind.2 AS with_child
) AS answer
LEFT ANY JOIN operations ON operations.operation = answer.operation
LEFT ANY JOIN operations AS parents ON parents.operation = answer.parent_operation
LEFT ANY JOIN kinds_of_child AS children ON children.kind = answer.kind
ORDER BY service, operation, parent_operation, child_service, child_operation
