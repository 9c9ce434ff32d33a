-- Which migrations have run.
SELECT DISTINCT Number FROM schema_migrations ORDER BY Number
