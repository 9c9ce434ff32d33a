-- Rows of an import that did not end.
DELETE FROM middlewatch.topology WHERE Tenant = {tenant:String} AND Recording = {recording:String} AND Recording != ''
