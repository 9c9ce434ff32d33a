-- Rows of an import that did not end.
DELETE FROM middlewatch.span_correlations WHERE Tenant = {tenant:String} AND Recording = {recording:String} AND Recording != ''
