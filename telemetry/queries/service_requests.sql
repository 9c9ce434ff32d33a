-- Requests that one service answered, per step of their beginning: how many, how many failed, how many of these failed without a
-- failure of another service that was called, and how long they took without what other services took of it.
-- A span answers a request where its kind says so, or, where kinds are not told, where its parent is not of the same service.
-- Of a call to another service counts what lies within the span that made it, so a message that is worked on later counts nothing.
WITH
    own AS
    (
        SELECT SpanKey AS id, ParentKey AS parent, TraceId AS trace, toString(SpanKind) AS kind,
            toUnixTimestamp64Nano(Timestamp) AS began, toInt64(Duration) AS lasted, positionCaseInsensitive(StatusCode, 'error') > 0 AS failed
        FROM otel_traces
        WHERE Tenant = {tenant:String} AND Recording = {recording:String} AND ServiceName = {service:String}
            AND Timestamp >= fromUnixTimestamp64Nano({start:Int64}) AND Timestamp < fromUnixTimestamp64Nano({end:Int64})
            AND bitShiftRight(SpanKey, 48) < {kept:UInt32}
            AND toUnixTimestamp64Nano(Timestamp) + Duration < {horizon:Int64}
    ),
    calls AS
    (
        SELECT
            own.trace AS trace,
            sum(greatest(0, least(others.ended, own.began + own.lasted) - others.began)) AS spent,
            max(others.failed) AS failed
        FROM
        (
            SELECT ParentKey AS parent, toUnixTimestamp64Nano(Timestamp) AS began, began + toInt64(Duration) AS ended,
                positionCaseInsensitive(StatusCode, 'error') > 0 AS failed
            FROM otel_traces
            WHERE Tenant = {tenant:String} AND Recording = {recording:String} AND ServiceName != {service:String}
                AND Timestamp >= fromUnixTimestamp64Nano({start:Int64}) AND Timestamp < fromUnixTimestamp64Nano({horizon:Int64})
                AND bitShiftRight(SpanKey, 48) < {kept:UInt32} AND ParentKey != 0
        ) AS others
        INNER JOIN own ON own.id = others.parent
        GROUP BY trace
    )
SELECT
    fromUnixTimestamp64Micro(intDiv({start:Int64} + step * {step:Int64}, 1000), 'UTC') AS time,
    sum(requests) AS count,
    sum(failures) AS errors,
    sumIf(failures, NOT theirs) AS own_errors,
    sumMap([toInt32(floor(8 * log2(own_ns / 1e3 + 1)))], [requests]) AS durations,
    durations.1 AS buckets,
    durations.2 AS in_buckets
FROM
(
    SELECT
        intDiv(answered.began - {start:Int64}, {step:Int64}) AS step,
        answered.requests AS requests,
        answered.failures AS failures,
        calls.failed AS theirs,
        greatest(0, answered.lasted - calls.spent) / requests AS own_ns
    FROM
    (
        -- What one trace asks of the service is taken together: it cannot be told cheaply which of its requests made which call.
        SELECT trace, min(began) AS began, count() AS requests, sum(lasted) AS lasted, countIf(failed) AS failures
        FROM own
        WHERE match(kind, '(?i)server|consumer')
            OR (NOT match(kind, '(?i)client|producer') AND parent NOT IN (SELECT id FROM own))
        GROUP BY trace
    ) AS answered
    LEFT JOIN calls ON calls.trace = answered.trace
)
GROUP BY step
ORDER BY step
