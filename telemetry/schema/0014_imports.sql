-- Imports that were begun: the row here, written first, is how the rows of one that never ended are found.
CREATE TABLE IF NOT EXISTS imports
(
    Tenant LowCardinality(String),
    Recording String,
    StartedAt DateTime64(6, 'UTC') DEFAULT now64(6)
)
ENGINE = MergeTree
ORDER BY (Tenant, Recording)
