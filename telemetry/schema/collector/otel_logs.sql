-- middlewatch's own rows, and the rows that a Collector writes, as the tenant's live telemetry.
CREATE OR REPLACE VIEW otel_logs AS
SELECT Tenant, Recording, Timestamp, TraceId, SpanId, SeverityText, SeverityNumber, ServiceName, Body, ResourceAttributes
FROM middlewatch.otel_logs
UNION ALL
SELECT '{tenant}' AS Tenant, '' AS Recording, Timestamp, TraceId, SpanId, SeverityText, SeverityNumber, ServiceName, Body, ResourceAttributes
FROM `{collector}`.otel_logs
