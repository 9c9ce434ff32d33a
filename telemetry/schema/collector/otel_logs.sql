-- middlewatch's own rows, and the rows that a Collector writes, as the tenant's live telemetry.
CREATE OR REPLACE VIEW otel_logs AS
SELECT Tenant, Recording, Timestamp, TraceId, SpanId, SeverityText, SeverityNumber, ServiceName, Body, ResourceAttributes, SpanKey, Pattern
FROM middlewatch.otel_logs
UNION ALL
SELECT '{tenant}' AS Tenant, '' AS Recording, Timestamp, TraceId, SpanId, SeverityText, SeverityNumber, ServiceName, Body, ResourceAttributes,
    if(SpanId = '', 0, bitOr(bitShiftLeft(cityHash64(TraceId), 48), bitShiftRight(cityHash64(TraceId, SpanId), 16))) AS SpanKey,
    toLowCardinality(replaceRegexpAll(
        toValidUTF8(
            replaceRegexpAll(replaceRegexpAll(replaceRegexpAll(replaceRegexpAll(replaceRegexpAll(substringUTF8(Body, 1, 1000),
                '"(?:[^"\\\\]|\\\\.)*"', '<*>'),
                '[\\s=(:,\\[]\'[^\']*\'', ' <*>'),
                '([A-Za-z_$\\])]#|\\.[A-Za-z]{1,4}:)(\\d{1,6})\\b', '\\1L\\2Q'),
                '\\b(?:0[xX][0-9a-fA-F]+|[0-9a-fA-F]{8,}(?:-[0-9a-fA-F]{4,})*)\\b', '<*>'),
                '\\b\\d+(?:[.,:/T+-]\\d+)*(?:Z|ns|us|ms|s|m|h|d|[kKMGT]?i?B|[kKMGT])?\\b', '<*>')),
        '(#|\\.[A-Za-z]{1,4}:)L(\\d{1,6})Q', '\\1\\2')) AS Pattern
FROM `{collector}`.otel_logs
