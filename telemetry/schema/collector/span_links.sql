-- middlewatch's own rows, and the links in the spans that a Collector writes, as the tenant's live telemetry.
CREATE OR REPLACE VIEW span_links AS
SELECT Tenant, Recording, Timestamp, ServiceName, TraceId, SpanId, LinkedTraceId, LinkedSpanId, SpanKey, LinkedKey, Duration, StatusCode
FROM middlewatch.span_links
UNION ALL
SELECT '{tenant}' AS Tenant, '' AS Recording, Timestamp, ServiceName, TraceId, SpanId, LinkedTraceId, LinkedSpanId,
    bitOr(bitShiftLeft(cityHash64(TraceId), 48), bitShiftRight(cityHash64(TraceId, SpanId), 16)) AS SpanKey,
    bitOr(bitShiftLeft(cityHash64(LinkedTraceId), 48), bitShiftRight(cityHash64(LinkedTraceId, LinkedSpanId), 16)) AS LinkedKey,
    Duration, StatusCode
FROM `{collector}`.otel_traces
ARRAY JOIN Links.TraceId AS LinkedTraceId, Links.SpanId AS LinkedSpanId
WHERE LinkedTraceId != '' AND LinkedTraceId != TraceId
