-- Rows of an import that did not end.
DELETE FROM middlewatch.otel_metrics_gauge WHERE Tenant = {tenant:String} AND Recording = {recording:String} AND Recording != ''
