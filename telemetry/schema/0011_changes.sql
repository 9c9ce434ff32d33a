-- Deploys, configuration, flags, scaling and migrations: what people and machines did to the services.
CREATE TABLE IF NOT EXISTS changes
(
    Tenant LowCardinality(String),
    Recording LowCardinality(String),
    Timestamp DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    ServiceName LowCardinality(String),
    Kind LowCardinality(String),
    Version String,
    Actor String,
    Description String CODEC(ZSTD(1)),
    ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toStartOfMonth(Timestamp)
ORDER BY (Tenant, Recording, Timestamp, ServiceName)
