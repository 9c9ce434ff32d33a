-- Rows of an import that did not end.
DELETE FROM middlewatch.span_links WHERE Tenant = {tenant:String} AND Recording = {recording:String} AND Recording != ''
