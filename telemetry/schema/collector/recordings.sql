-- What a Collector does not write is middlewatch's own.
CREATE OR REPLACE VIEW recordings AS
SELECT *
FROM middlewatch.recordings
