-- Links from a span to one of another trace: who handles a message names who sent it. Few spans have any, so that a question about
-- them must not read all the others.
CREATE TABLE IF NOT EXISTS span_links
(
    Tenant LowCardinality(String),
    Recording LowCardinality(String),
    Timestamp DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    ServiceName LowCardinality(String) CODEC(ZSTD(1)),
    TraceId String CODEC(ZSTD(1)),
    SpanId String CODEC(ZSTD(1)),
    LinkedTraceId String CODEC(ZSTD(1)),
    LinkedSpanId String CODEC(ZSTD(1)),
    SpanKey UInt64 CODEC(NONE),
    LinkedKey UInt64 CODEC(NONE),
    Duration UInt64 CODEC(T64, ZSTD(1)),
    StatusCode LowCardinality(String) CODEC(ZSTD(1)),
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_linked_trace_id LinkedTraceId TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toDate(Timestamp)
ORDER BY (Tenant, Recording, toDateTime(Timestamp))
