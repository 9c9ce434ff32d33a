-- How spans of a request and of others belong together: by links between them, and by the correlation ids that the request has.
SELECT
    trace_id,
    span_id,
    kind,
    correlation_id,
    sender_trace_id,
    sender_span_id,
    fromUnixTimestamp64Micro(intDiv(toUnixTimestamp64Nano(began), 1000), 'UTC') AS start
FROM
(
    SELECT
        Timestamp AS began,
        TraceId AS trace_id,
        SpanId AS span_id,
        '' AS kind,
        '' AS correlation_id,
        LinkedTraceId AS sender_trace_id,
        LinkedSpanId AS sender_span_id
    FROM span_links
    WHERE Tenant = {tenant:String} AND Recording = {recording:String}
        AND Timestamp >= fromUnixTimestamp64Nano({start:Int64}) AND Timestamp < fromUnixTimestamp64Nano({end:Int64})
        AND toUnixTimestamp64Nano(Timestamp) + Duration < {horizon:Int64}
        AND (TraceId = {trace_id:String} OR LinkedTraceId = {trace_id:String})
    UNION ALL
    SELECT
        Timestamp AS began,
        TraceId AS trace_id,
        SpanId AS span_id,
        toString(SpanKind) AS kind,
        CorrelationId AS correlation_id,
        '' AS sender_trace_id,
        '' AS sender_span_id
    FROM span_correlations
    WHERE Tenant = {tenant:String} AND Recording = {recording:String}
        AND Timestamp >= fromUnixTimestamp64Nano({start:Int64}) AND Timestamp < fromUnixTimestamp64Nano({end:Int64})
        AND toUnixTimestamp64Nano(Timestamp) + Duration < {horizon:Int64}
        AND CorrelationId IN
        (
            SELECT CorrelationId
            FROM span_correlations
            WHERE Tenant = {tenant:String} AND Recording = {recording:String}
                AND Timestamp >= fromUnixTimestamp64Nano({start:Int64}) AND Timestamp < fromUnixTimestamp64Nano({end:Int64})
                AND toUnixTimestamp64Nano(Timestamp) + Duration < {horizon:Int64}
                AND TraceId = {trace_id:String}
        )
)
-- The request's own first, so that none of them is cut off.
ORDER BY trace_id != {trace_id:String}, began, trace_id, span_id, sender_trace_id, sender_span_id
LIMIT {limit:UInt64}
