CREATE MATERIALIZED VIEW IF NOT EXISTS span_links_mv TO span_links AS
SELECT
    Tenant, Recording, Timestamp, ServiceName, TraceId, SpanId, LinkedTraceId, LinkedSpanId,
    bitOr(bitShiftLeft(cityHash64(TraceId), 48), bitShiftRight(cityHash64(TraceId, SpanId), 16)) AS SpanKey,
    bitOr(bitShiftLeft(cityHash64(LinkedTraceId), 48), bitShiftRight(cityHash64(LinkedTraceId, LinkedSpanId), 16)) AS LinkedKey,
    Duration, StatusCode
FROM otel_traces
ARRAY JOIN Links.TraceId AS LinkedTraceId, Links.SpanId AS LinkedSpanId
WHERE LinkedTraceId != '' AND LinkedTraceId != TraceId
