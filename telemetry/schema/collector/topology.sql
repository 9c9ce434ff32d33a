-- What a Collector does not write is middlewatch's own.
CREATE OR REPLACE VIEW topology AS
SELECT *
FROM middlewatch.topology
