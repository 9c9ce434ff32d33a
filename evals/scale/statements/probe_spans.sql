-- Per service and minute: count, errors and p99 over all spans.
SELECT ServiceName, toStartOfMinute(Timestamp) AS minute, count() AS spans, countIf(StatusCode = 'Error') AS errors, quantileExact(0.99)(Duration) AS p99
FROM otel_traces
WHERE Tenant = {tenant:String} AND Recording = ''
GROUP BY ServiceName, minute
