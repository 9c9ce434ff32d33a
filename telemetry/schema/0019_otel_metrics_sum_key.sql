-- Which series a point belongs to, as a number: maps as keys of a grouping cost twenty times as much.
ALTER TABLE otel_metrics_sum
    ADD COLUMN IF NOT EXISTS SeriesKey UInt64
        MATERIALIZED cityHash64(ServiceName, MetricName, MetricUnit, mapSort(Attributes), mapSort(ResourceAttributes)) CODEC(ZSTD(1))
