-- Bodies with their variable parts masked, counted per service and step, most frequent first.
-- A source location (`Class#123`, `file.py:12`) says which line of the code spoke: it is shielded from the masks and restored.
-- Only the first 1,000 characters make the pattern: longer bodies differ in their payload, which is the variable part.
-- One small expression a pass: one alternation of them all is a hundred times slower, for it leaves RE2's automaton.
WITH
    '"(?:[^"\\\\]|\\\\.)*"' AS double_quoted,
    '[\\s=(:,\\[]\'[^\']*\'' AS single_quoted, -- with what stands before it, since an apostrophe inside a word quotes nothing
    '([A-Za-z_$\\])]#|\\.[A-Za-z]{1,4}:)(\\d{1,6})\\b' AS location,
    '(#|\\.[A-Za-z]{1,4}:)L(\\d{1,6})Q' AS shield,
    '\\b(?:0[xX][0-9a-fA-F]+|[0-9a-fA-F]{8,}(?:-[0-9a-fA-F]{4,})*)\\b' AS hexadecimal, -- ids, UUIDs
    '\\b\\d+(?:[.,:/T+-]\\d+)*(?:Z|ns|us|ms|s|m|h|d|[kKMGT]?i?B)?\\b' AS number -- dates, times, addresses, numbers with their unit
SELECT
    service,
    replaceRegexpAll(toValidUTF8(mask), shield, '\\1\\2') AS pattern,
    if(worst.1 > 0, {severity_names:Array(String)}[toUInt8(intDiv(worst.1 + 3, 4) + 1)], worst.2) AS severity,
    total,
    fromUnixTimestamp64Micro(intDiv(toUnixTimestamp64Nano(began), 1000), 'UTC') AS first,
    fromUnixTimestamp64Micro(intDiv(toUnixTimestamp64Nano(ended), 1000), 'UTC') AS last,
    toValidUTF8(example.1) AS sample,
    example.2 AS sample_trace_id,
    example.3 AS sample_span_id,
    arrayMap(s -> s.1, steps) AS times,
    arrayMap(s -> s.2, steps) AS count
FROM
(
    SELECT
        service,
        mask,
        max(worst_of_step) AS worst,
        sum(lines) AS total,
        min(began_step) AS began,
        max(ended_step) AS ended,
        argMin(example_of_step, began_step) AS example,
        arraySort(groupArray((fromUnixTimestamp64Micro(intDiv({start:Int64} + step * {step:Int64}, 1000), 'UTC'), lines))) AS steps
    FROM
    (
        SELECT
            service,
            mask,
            step,
            max(severity) AS worst_of_step,
            count() AS lines,
            min(Timestamp) AS began_step,
            max(Timestamp) AS ended_step,
            argMin((Body, TraceId, SpanId), Timestamp) AS example_of_step
        FROM
        (
            SELECT
                toString(ServiceName) AS service,
                Timestamp,
                Body,
                TraceId,
                SpanId,
                intDiv(toUnixTimestamp64Nano(Timestamp) - {start:Int64}, {step:Int64}) AS step,
                (
                    if(SeverityNumber > 0, SeverityNumber,
                        transform(upper(SeverityText), {severity_texts:Array(String)}, {severity_numbers:Array(UInt8)}, 0)),
                    upper(SeverityText)
                ) AS severity,
                replaceRegexpAll(substringUTF8(Body, 1, 1000), double_quoted, '<*>') AS half_unquoted,
                replaceRegexpAll(half_unquoted, single_quoted, ' <*>') AS unquoted,
                replaceRegexpAll(unquoted, location, '\\1L\\2Q') AS shielded,
                replaceRegexpAll(replaceRegexpAll(shielded, hexadecimal, '<*>'), number, '<*>') AS mask
            FROM otel_logs
            WHERE Tenant = {tenant:String} AND Recording = {recording:String}
                AND Timestamp >= fromUnixTimestamp64Nano({start:Int64}) AND Timestamp < fromUnixTimestamp64Nano({end:Int64})
                AND Timestamp < fromUnixTimestamp64Nano({horizon:Int64})
                AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
        )
        GROUP BY service, mask, step
    )
    GROUP BY service, mask
    ORDER BY total DESC, service, mask
    LIMIT {limit:UInt64}
)
ORDER BY total DESC, service, pattern
