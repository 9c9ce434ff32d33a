-- Spans per operation in its context, set of kinds of children, and step: counts and sums, which add up however they are grouped
-- later. Self time is a span's duration less its direct children's, not below 0.
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
            toUnixTimestamp64Nano(Timestamp) AS began,
            Duration AS duration,
            positionCaseInsensitive(StatusCode, 'error') > 0 AS failed
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
    -- A kind is the child's service in the upper half of a number, and its operation in the lower.
    arrayMap(kind -> services[bitShiftRight(kind, 32)], kinds) AS child_services,
    arrayMap(kind -> operations[bitAnd(kind, 4294967295)], kinds) AS child_operations,
    arrayMap(s -> fromUnixTimestamp64Micro(intDiv({start:Int64} + s.1 * {step:Int64}, 1000), 'UTC'), steps) AS times,
    arrayMap(s -> s.2, steps) AS count,
    arrayMap(s -> s.3, steps) AS requests,
    arrayMap(s -> s.4, steps) AS errors,
    arrayMap(s -> s.5, steps) AS log_self,
    arrayMap(s -> s.6, steps) AS log_self_squared,
    arrayMap(s -> s.7, steps) AS duration_ms
FROM
(
    SELECT service, operation, parent_operation, kinds, arraySort(groupArrayArray(by_step)) AS steps
    FROM
    (
        SELECT
            service, operation, parent_operation, by_step,
            row_number() OVER (PARTITION BY service, operation, parent_operation ORDER BY total DESC, called) AS rank,
            -- The rarest sets of an operation are told apart no longer.
            if(rank <= {sets:UInt32}, called, [0]) AS kinds
        FROM
        (
            SELECT
                service, operation, parent_operation, called,
                sum(spans) AS total,
                groupArray((
                    step, toUInt64(round(weight * spans)), requests, toUInt64(round(weight * failures)),
                    weight * log_self, weight * log_self_squared, weight * spent
                )) AS by_step
            FROM
            (
                WITH log(greatest(toInt64(own.duration) - toInt64(children.spent), 0) / 1e6 + {floor_ms:Float64}) AS y
                SELECT
                    own.service AS service,
                    own.operation AS operation,
                    parents.operation AS parent_operation,
                    arraySort(children.kinds) AS called,
                    toUInt32(intDiv(own.began - {start:Int64}, {step:Int64})) AS step,
                    65536 / if({start:Int64} + step * {step:Int64} >= {recent:Int64}, {kept_recent:UInt32}, {kept_older:UInt32}) AS weight,
                    count() AS spans,
                    uniq(own.slot) AS requests,
                    countIf(own.failed) AS failures,
                    sum(y) AS log_self,
                    sum(y * y) AS log_self_squared,
                    sum(own.duration) / 1e6 AS spent
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
                    SELECT
                        parent AS caller,
                        sum(duration) AS spent,
                        groupUniqArray(bitOr(bitShiftLeft(toUInt64(service), 32), operation)) AS kinds
                    FROM spans
                    WHERE parent != 0
                    GROUP BY caller
                ) AS children ON children.caller = own.id
                GROUP BY service, operation, parent_operation, called, step
            )
            GROUP BY service, operation, parent_operation, called
        )
    )
    GROUP BY service, operation, parent_operation, kinds
)
ORDER BY service, operation, parent_operation, child_services, child_operations
