-- How many spans of an operation wrote a line of a pattern, per step in which the span began. The masks are those of log_patterns.
-- A span that no trace has, as under sampling, counts at its first line, under an operation without a name.
WITH
    '"(?:[^"\\\\]|\\\\.)*"' AS double_quoted,
    '[\\s=(:,\\[]\'[^\']*\'' AS single_quoted, -- with what stands before it, since an apostrophe inside a word quotes nothing
    '([A-Za-z_$\\])]#|\\.[A-Za-z]{1,4}:)(\\d{1,6})\\b' AS location,
    '(#|\\.[A-Za-z]{1,4}:)L(\\d{1,6})Q' AS shield,
    '\\b(?:0[xX][0-9a-fA-F]+|[0-9a-fA-F]{8,}(?:-[0-9a-fA-F]{4,})*)\\b' AS hexadecimal, -- ids, UUIDs
    '\\b\\d+(?:[.,:/T+-]\\d+)*(?:Z|ns|us|ms|s|m|h|d|[kKMGT]?i?B)?\\b' AS number, -- dates, times, addresses, numbers with their unit
family AS
(
    SELECT
        cityHash64(TraceId, SpanId) AS id,
        if(ParentSpanId = '', 0, cityHash64(TraceId, ParentSpanId)) AS parent,
        toString(SpanName) AS operation,
        toUnixTimestamp64Nano(Timestamp) AS began
    FROM otel_traces
    WHERE Tenant = {tenant:String} AND Recording = {recording:String}
        AND Timestamp >= fromUnixTimestamp64Nano({start:Int64} - {family:Int64})
        AND Timestamp < fromUnixTimestamp64Nano({end:Int64})
        AND Timestamp < fromUnixTimestamp64Nano({horizon:Int64})
        AND toUnixTimestamp64Nano(Timestamp) + Duration < {horizon:Int64}
)
SELECT
    service,
    operation,
    parent_operation,
    replaceRegexpAll(toValidUTF8(mask), shield, '\\1\\2') AS pattern,
    arrayMap(s -> s.1, steps) AS times,
    arrayMap(s -> s.2, steps) AS units,
    arrayMap(s -> s.3[mask], steps) AS present
FROM
(
    SELECT
        service,
        operation,
        parent_operation,
        arraySort(s -> s.1, groupArray((fromUnixTimestamp64Micro(intDiv({start:Int64} + step * {step:Int64}, 1000), 'UTC'), spans, with_mask))) AS steps,
        arrayJoin(arrayDistinct(arrayFlatten(groupArray(mapKeys(with_mask))))) AS mask
    FROM
    (
        SELECT
            service,
            spans_of_traces.operation AS operation,
            parents.operation AS parent_operation,
            intDiv(if(spans_of_traces.id = 0, first_line, spans_of_traces.began) - {start:Int64}, {step:Int64}) AS step,
            count() AS spans,
            sumMap(mapFromArrays(masks, arrayMap(mask -> toUInt64(1), masks))) AS with_mask
        FROM
        (
            SELECT service, id, groupUniqArray(mask) AS masks, min(at) AS first_line
            FROM
            (
                SELECT
                    toString(ServiceName) AS service,
                    cityHash64(TraceId, SpanId) AS id,
                    toUnixTimestamp64Nano(Timestamp) AS at,
                    replaceRegexpAll(substringUTF8(Body, 1, 1000), double_quoted, '<*>') AS half_unquoted,
                    replaceRegexpAll(half_unquoted, single_quoted, ' <*>') AS unquoted,
                    replaceRegexpAll(unquoted, location, '\\1L\\2Q') AS shielded,
                    replaceRegexpAll(replaceRegexpAll(shielded, hexadecimal, '<*>'), number, '<*>') AS mask
                FROM otel_logs
                WHERE Tenant = {tenant:String} AND Recording = {recording:String} AND SpanId != ''
                    AND Timestamp >= fromUnixTimestamp64Nano({start:Int64}) AND Timestamp < fromUnixTimestamp64Nano({end:Int64})
                    AND Timestamp < fromUnixTimestamp64Nano({horizon:Int64})
                    AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
            )
            GROUP BY service, id
        ) AS written
        LEFT ANY JOIN family AS spans_of_traces ON spans_of_traces.id = written.id
        LEFT ANY JOIN (SELECT id, operation FROM family) AS parents ON parents.id = spans_of_traces.parent
        WHERE spans_of_traces.id = 0 OR spans_of_traces.began >= {start:Int64}
        GROUP BY service, operation, parent_operation, step
    )
    GROUP BY service, operation, parent_operation
)
ORDER BY service, operation, parent_operation, pattern
