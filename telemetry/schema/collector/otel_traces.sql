-- middlewatch's own rows, and the rows that a Collector writes, as the tenant's live telemetry.
CREATE OR REPLACE VIEW otel_traces AS
SELECT Tenant, Recording, Timestamp, TraceId, SpanId, ParentSpanId, SpanName, ServiceName, ResourceAttributes, Duration, StatusCode, SpanKey, ParentKey
FROM middlewatch.otel_traces
UNION ALL
SELECT '{tenant}' AS Tenant, '' AS Recording, Timestamp, TraceId, SpanId, ParentSpanId, SpanName, ServiceName, ResourceAttributes, Duration, StatusCode,
    bitOr(bitShiftLeft(cityHash64(TraceId), 48), bitShiftRight(cityHash64(TraceId, SpanId), 16)) AS SpanKey,
    if(ParentSpanId = '', 0, bitOr(bitShiftLeft(cityHash64(TraceId), 48), bitShiftRight(cityHash64(TraceId, ParentSpanId), 16))) AS ParentKey
FROM `{collector}`.otel_traces
