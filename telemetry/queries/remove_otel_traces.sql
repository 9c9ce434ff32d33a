-- Rows of an import that did not end.
DELETE FROM middlewatch.otel_traces WHERE Tenant = {tenant:String} AND Recording = {recording:String} AND Recording != ''
