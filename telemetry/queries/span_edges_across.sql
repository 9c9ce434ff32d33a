-- As span_edges.sql, where spans are also linked to spans of other traces, as who handles a message is to who sent it: by a link, or
-- by a correlation id that both have. A handling counts as a call of the sender.
-- Everything between the scan and the answer is numbers: that is what makes millions of spans answerable.
-- Requests fall into 65,536 slots by their trace id. Where there are too many spans, only those in the first slots are read, of older
-- requests fewer than of recent ones, and counted as many times as it takes to make up for the others (see span_sample.py).
WITH
    (
        -- Services by number, in the order of their names.
        SELECT arraySort(groupUniqArray(toString(ServiceName)))
        FROM otel_traces
        WHERE Tenant = {tenant:String} AND Recording = {recording:String}
            AND Timestamp >= fromUnixTimestamp64Nano({start:Int64} - {family:Int64})
            AND Timestamp < fromUnixTimestamp64Nano({end:Int64})
            AND Timestamp < fromUnixTimestamp64Nano({horizon:Int64})
            AND toUnixTimestamp64Nano(Timestamp) + Duration < {horizon:Int64}
    ) AS services,
    spans AS
    (
        SELECT
            SpanKey AS id,
            ParentKey AS parent,
            bitShiftRight(SpanKey, 48) AS slot,
            toUInt32(transform(ServiceName, services, arrayEnumerate(services), 0)) AS service,
            toUnixTimestamp64Nano(Timestamp) AS began,
            Duration AS duration,
            positionCaseInsensitive(StatusCode, 'error') > 0 AS failed
        FROM otel_traces
        WHERE Tenant = {tenant:String} AND Recording = {recording:String}
            AND Timestamp >= fromUnixTimestamp64Nano({start:Int64} - {family:Int64})
            AND Timestamp < fromUnixTimestamp64Nano({end:Int64})
            AND Timestamp < fromUnixTimestamp64Nano({horizon:Int64})
            AND toUnixTimestamp64Nano(Timestamp) + Duration < {horizon:Int64}
            -- The first of the recent have relatives among the last of the older.
            AND slot < if(Timestamp >= fromUnixTimestamp64Nano({recent:Int64} - {family:Int64}), {kept_recent:UInt32}, {kept_older:UInt32})
    ),
    linked AS
    (
        SELECT
            SpanKey AS id,
            LinkedKey AS parent,
            toUInt32(transform(ServiceName, services, arrayEnumerate(services), 0)) AS service,
            toUnixTimestamp64Nano(Timestamp) AS began,
            Duration AS duration,
            positionCaseInsensitive(StatusCode, 'error') > 0 AS failed
        FROM span_links
        WHERE Tenant = {tenant:String} AND Recording = {recording:String}
            AND Timestamp >= fromUnixTimestamp64Nano({start:Int64})
            AND Timestamp < fromUnixTimestamp64Nano({end:Int64})
            AND Timestamp < fromUnixTimestamp64Nano({horizon:Int64})
            AND toUnixTimestamp64Nano(Timestamp) + Duration < {horizon:Int64}
    ),
    correlated AS
    (
        SELECT
            CorrelationId AS correlation,
            SpanKey AS id,
            SpanKind AS kind,
            toUInt32(transform(ServiceName, services, arrayEnumerate(services), 0)) AS service,
            toUnixTimestamp64Nano(Timestamp) AS began,
            Duration AS duration,
            positionCaseInsensitive(StatusCode, 'error') > 0 AS failed
        FROM span_correlations
        WHERE Tenant = {tenant:String} AND Recording = {recording:String}
            AND Timestamp >= fromUnixTimestamp64Nano({start:Int64} - {family:Int64})
            AND Timestamp < fromUnixTimestamp64Nano({end:Int64})
            AND Timestamp < fromUnixTimestamp64Nano({horizon:Int64})
            AND toUnixTimestamp64Nano(Timestamp) + Duration < {horizon:Int64}
            AND SpanKind IN ('Producer', 'Consumer')
    ),
    handed_over AS
    (
        SELECT parent, service, began, duration, failed
        FROM linked
        UNION ALL
        -- Of several that sent it the last one before it was handled.
        SELECT sent.id AS parent, handled.service AS service, handled.began AS began, handled.duration AS duration, handled.failed AS failed
        FROM (SELECT * FROM correlated WHERE kind = 'Consumer' AND began >= {start:Int64} AND id NOT IN (SELECT id FROM linked)) AS handled
        ASOF JOIN (SELECT correlation, id, began FROM correlated WHERE kind = 'Producer') AS sent
            ON sent.correlation = handled.correlation AND handled.began >= sent.began
        -- In the same trace they are parent and child already.
        WHERE bitShiftRight(sent.id, 48) != bitShiftRight(handled.id, 48)
    ),
    arraySort(groupArrayArray(by_step)) AS steps
SELECT
    caller,
    callee,
    max(is_declared) AS declared,
    sum(all_calls) AS calls,
    sum(all_errors) AS errors,
    arrayMap(s -> fromUnixTimestamp64Micro(intDiv({start:Int64} + s.1 * {step:Int64}, 1000), 'UTC'), steps) AS times,
    arrayMap(s -> s.2, steps) AS count,
    arrayMap(s -> s.3, steps) AS error_count,
    arrayMap(s -> s.4, steps) AS p50_ms,
    arrayMap(s -> s.5, steps) AS p99_ms
FROM
(
    SELECT
        services[caller_number] AS caller,
        services[callee_number] AS callee,
        false AS is_declared,
        sum(calls) AS all_calls,
        sum(failures) AS all_errors,
        groupArray((step, calls, failures, durations[1] / 1e6, durations[2] / 1e6)) AS by_step
    FROM
    (
        SELECT
            callers.service AS caller_number,
            own.service AS callee_number,
            intDiv(own.began - {start:Int64}, {step:Int64}) AS step,
            65536 / if({start:Int64} + step * {step:Int64} >= {recent:Int64}, {kept_recent:UInt32}, {kept_older:UInt32}) AS weight,
            toUInt64(round(weight * count())) AS calls,
            toUInt64(round(weight * countIf(own.failed))) AS failures,
            quantilesExactInclusive(0.5, 0.99)(own.duration) AS durations
        FROM
        (
            SELECT parent, service, began, duration, failed
            FROM spans
            WHERE parent != 0 AND began >= {start:Int64} AND began < {end:Int64}
                AND slot < if(began >= {recent:Int64}, {kept_recent:UInt32}, {kept_older:UInt32})
            UNION ALL
            SELECT parent, service, began, duration, failed
            FROM handed_over
            -- Who sent it is looked for among the spans that are read.
            WHERE bitShiftRight(parent, 48) < if(began >= {recent:Int64}, {kept_recent:UInt32}, {kept_older:UInt32})
        ) AS own
        LEFT ANY JOIN (SELECT id, service FROM spans) AS callers ON callers.id = own.parent
        WHERE callers.service != 0 AND callers.service != own.service
        GROUP BY caller_number, callee_number, step
    )
    GROUP BY caller, callee
    UNION ALL
    SELECT DISTINCT Caller AS caller, Callee AS callee, true AS is_declared, 0 AS all_calls, 0 AS all_errors, [] AS by_step
    FROM topology
    WHERE Tenant = {tenant:String} AND Recording = {recording:String}
        AND DeclaredAt < fromUnixTimestamp64Nano({horizon:Int64})
)
GROUP BY caller, callee
ORDER BY caller, callee
