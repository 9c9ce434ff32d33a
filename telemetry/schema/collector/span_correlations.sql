-- middlewatch's own rows, and the spans with a correlation id that a Collector writes, as the tenant's live telemetry. A header that
-- was captured is a list of one.
CREATE OR REPLACE VIEW span_correlations AS
SELECT Tenant, Recording, Timestamp, ServiceName, SpanKind, CorrelationId, TraceId, SpanId, SpanKey, Duration, StatusCode
FROM middlewatch.span_correlations
UNION ALL
SELECT '{tenant}' AS Tenant, '' AS Recording, Timestamp, ServiceName, SpanKind,
    arrayFirst(
        value -> value != '',
        arrayMap(key -> replaceRegexpOne(SpanAttributes[key], '^\\["([^"]*)"\\]$', '\\1'), splitByChar(' ', '{keys}'))
    ) AS CorrelationId,
    TraceId, SpanId,
    bitOr(bitShiftLeft(cityHash64(TraceId), 48), bitShiftRight(cityHash64(TraceId, SpanId), 16)) AS SpanKey,
    Duration, StatusCode
FROM `{collector}`.otel_traces
WHERE (SpanKind IN ('Producer', 'Consumer', 'Server') OR ParentSpanId = '') AND CorrelationId != ''
