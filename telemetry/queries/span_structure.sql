-- How many spans of an operation have a child of a kind, per step.
-- Everything between the scan and the answer is numbers: that is what makes millions of spans answerable.
-- Requests fall into 65,536 slots by their trace id. Where there are too many spans, only those in the first slots are read, of older
-- requests fewer than of recent ones, and counted as many times as it takes to make up for the others (see span_sample.py).
WITH
    (
        -- Services and operations by number, in the order of their names.
        SELECT (arraySort(groupUniqArray(toString(ServiceName))), arraySort(groupUniqArray(toString(SpanName))))
        FROM otel_traces
        WHERE Tenant = {tenant:String} AND Recording = {recording:String}
            AND Timestamp >= fromUnixTimestamp64Nano({start:Int64} - {family:Int64})
            AND Timestamp < fromUnixTimestamp64Nano({end:Int64} + {family:Int64})
            AND Timestamp < fromUnixTimestamp64Nano({horizon:Int64})
            AND toUnixTimestamp64Nano(Timestamp) + Duration < {horizon:Int64}
    ) AS names,
    names.1 AS services,
    names.2 AS operations,
    spans AS
    (
        SELECT
            SpanKey AS id,
            ParentKey AS parent,
            bitShiftRight(SpanKey, 48) AS slot,
            toUInt32(transform(ServiceName, services, arrayEnumerate(services), 0)) AS service,
            toUInt32(transform(SpanName, operations, arrayEnumerate(operations), 0)) AS operation,
            toUnixTimestamp64Nano(Timestamp) AS began
        FROM otel_traces
        WHERE Tenant = {tenant:String} AND Recording = {recording:String}
            AND Timestamp >= fromUnixTimestamp64Nano({start:Int64} - {family:Int64})
            AND Timestamp < fromUnixTimestamp64Nano({end:Int64} + {family:Int64})
            AND Timestamp < fromUnixTimestamp64Nano({horizon:Int64})
            AND toUnixTimestamp64Nano(Timestamp) + Duration < {horizon:Int64}
            -- The first of the recent have relatives among the last of the older.
            AND slot < if(Timestamp >= fromUnixTimestamp64Nano({recent:Int64} - {family:Int64}), {kept_recent:UInt32}, {kept_older:UInt32})
    )
SELECT
    services[service] AS service,
    operations[operation] AS operation,
    operations[parent_operation] AS parent_operation,
    services[bitShiftRight(kind, 32)] AS child_service,
    operations[bitAnd(kind, 4294967295)] AS child_operation,
    arrayMap(s -> fromUnixTimestamp64Micro(intDiv({start:Int64} + s * {step:Int64}, 1000), 'UTC'), every.1) AS times,
    every.2 AS units,
    mapAdd((every.1, arrayWithConstant(length(every.1), toUInt64(0))), with_child).2 AS present
FROM
(
    SELECT
        service, operation, parent_operation,
        anyIf(by_step, kind = 0) AS every,
        groupArrayIf((kind, by_step), kind != 0) AS kinds
    FROM
    (
        SELECT
            service, operation, parent_operation, kind,
            arraySort(groupArray((step, toUInt64(round(weight * spans))))) AS sorted,
            (sorted.1, sorted.2) AS by_step
        FROM
        (
            -- A kind is the child's service in the upper half of a number, and its operation in the lower. The kind 0 is the span
            -- itself, so that it is counted with and without children.
            SELECT
                own.service AS service,
                own.operation AS operation,
                parents.operation AS parent_operation,
                arrayJoin(arrayPushBack(children.called, 0)) AS kind,
                toUInt32(intDiv(own.began - {start:Int64}, {step:Int64})) AS step,
                65536 / if({start:Int64} + step * {step:Int64} >= {recent:Int64}, {kept_recent:UInt32}, {kept_older:UInt32}) AS weight,
                count() AS spans
            FROM
            (
                SELECT *
                FROM spans
                WHERE began >= {start:Int64} AND began < {end:Int64}
                    AND slot < if(began >= {recent:Int64}, {kept_recent:UInt32}, {kept_older:UInt32})
                    AND (empty({services:Array(String)}) OR has({services:Array(String)}, services[service]))
            ) AS own
            LEFT ANY JOIN (SELECT id, operation FROM spans) AS parents ON parents.id = own.parent
            LEFT ANY JOIN
            (
                SELECT parent AS caller, groupUniqArray(bitOr(bitShiftLeft(toUInt64(service), 32), operation)) AS called
                FROM spans
                WHERE parent != 0
                GROUP BY caller
            ) AS children ON children.caller = own.id
            GROUP BY service, operation, parent_operation, kind, step
        )
        GROUP BY service, operation, parent_operation, kind
    )
    GROUP BY service, operation, parent_operation
)
ARRAY JOIN kinds.1 AS kind, kinds.2 AS with_child
ORDER BY service, operation, parent_operation, child_service, child_operation
