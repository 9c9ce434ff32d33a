CREATE MATERIALIZED VIEW IF NOT EXISTS span_correlations_mv TO span_correlations AS
SELECT
    Tenant, Recording, Timestamp, ServiceName, SpanKind, CorrelationId, TraceId, SpanId,
    bitOr(bitShiftLeft(cityHash64(TraceId), 48), bitShiftRight(cityHash64(TraceId, SpanId), 16)) AS SpanKey,
    Duration, StatusCode
FROM otel_traces
WHERE CorrelationId != '' AND (SpanKind IN ('Producer', 'Consumer', 'Server') OR ParentSpanId = '')
