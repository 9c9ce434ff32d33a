-- Rows of an import that did not end.
DELETE FROM middlewatch.otel_traces_trace_id_ts WHERE Tenant = {tenant:String} AND Recording = {recording:String} AND Recording != ''
