-- The calls that the spans of `own` are, per caller, callee and step; `spans` has the callers.
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
        FROM own
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
