-- Rows of an import that did not end.
DELETE FROM middlewatch.otel_logs WHERE Tenant = {tenant:String} AND Recording = {recording:String} AND Recording != ''
