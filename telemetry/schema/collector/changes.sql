-- What a Collector does not write is middlewatch's own.
CREATE OR REPLACE VIEW changes AS
SELECT *
FROM middlewatch.changes
