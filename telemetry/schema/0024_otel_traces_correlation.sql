-- By what a span belongs together with those of other traces: a message's id, an order's. Whoever stores the span says it, since what
-- attribute that is stands in the settings; the view over a Collector's table (collector/span_correlations.sql) says the same.
ALTER TABLE otel_traces
    ADD COLUMN IF NOT EXISTS CorrelationId String CODEC(ZSTD(1))
