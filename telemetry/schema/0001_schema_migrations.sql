-- Which numbered files of this folder have run.
CREATE TABLE IF NOT EXISTS schema_migrations
(
    Number UInt32,
    Name String,
    AppliedAt DateTime64(6, 'UTC') DEFAULT now64(6)
)
ENGINE = ReplacingMergeTree
ORDER BY Number
