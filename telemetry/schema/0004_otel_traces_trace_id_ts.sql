-- When each trace began and ended, so that one trace is found without knowing its time.
CREATE TABLE IF NOT EXISTS otel_traces_trace_id_ts
(
    Tenant LowCardinality(String),
    Recording LowCardinality(String),
    TraceId String CODEC(ZSTD(1)),
    Start SimpleAggregateFunction(min, DateTime) CODEC(ZSTD(1)),
    End SimpleAggregateFunction(max, DateTime) CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY toStartOfWeek(Start)
ORDER BY (Tenant, Recording, TraceId)
