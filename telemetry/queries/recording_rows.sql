-- How many rows of a recording each table holds. The topology is a set, in which doubles vanish by themselves.
SELECT 'otel_metrics_gauge' AS name, count() AS rows
FROM otel_metrics_gauge
WHERE Tenant = {tenant:String} AND Recording = {recording:String}
UNION ALL
SELECT 'otel_logs' AS name, count() AS rows
FROM otel_logs
WHERE Tenant = {tenant:String} AND Recording = {recording:String}
UNION ALL
SELECT 'otel_traces' AS name, count() AS rows
FROM otel_traces
WHERE Tenant = {tenant:String} AND Recording = {recording:String}
UNION ALL
SELECT 'changes' AS name, count() AS rows
FROM changes
WHERE Tenant = {tenant:String} AND Recording = {recording:String}
