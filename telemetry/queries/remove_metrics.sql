-- Rows of an import that did not end.
DELETE FROM otel_metrics_gauge WHERE Tenant = {tenant:String} AND Recording = {recording:String} AND Recording != ''
