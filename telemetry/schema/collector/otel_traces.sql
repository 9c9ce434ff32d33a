-- middlewatch's own rows, and the rows that a Collector writes, as the tenant's live telemetry.
CREATE OR REPLACE VIEW otel_traces AS
SELECT Tenant, Recording, Timestamp, TraceId, SpanId, ParentSpanId, SpanName, ServiceName, ResourceAttributes, Duration, StatusCode
FROM middlewatch.otel_traces
UNION ALL
SELECT '{tenant}' AS Tenant, '' AS Recording, Timestamp, TraceId, SpanId, ParentSpanId, SpanName, ServiceName, ResourceAttributes, Duration, StatusCode
FROM `{collector}`.otel_traces
