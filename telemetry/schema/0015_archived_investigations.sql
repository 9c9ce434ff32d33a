-- Closed investigations that left Redis, whole. Putting one again changes nothing: the rows of one investigation are the same.
CREATE TABLE IF NOT EXISTS archived_investigations
(
    Tenant LowCardinality(String),
    Id String,
    ClosedAt Nullable(DateTime64(6, 'UTC')),
    Content String CODEC(ZSTD(3)),
    ArchivedAt DateTime64(6, 'UTC') DEFAULT now64(6)
)
ENGINE = ReplacingMergeTree(ArchivedAt)
ORDER BY (Tenant, Id)
