-- Count per severity over all log lines.
SELECT SeverityText, count() AS lines
FROM otel_logs
WHERE Tenant = {tenant:String} AND Recording = ''
GROUP BY SeverityText
