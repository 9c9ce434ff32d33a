-- What a list needs of an archived investigation, so that it does not read everything else of each. Rows from before have it when they
-- are read, and keep it from their next merge on.
ALTER TABLE archived_investigations
    ADD COLUMN IF NOT EXISTS Head String MATERIALIZED JSONExtractRaw(Content, 'snapshot', 'investigation') CODEC(ZSTD(3)),
    ADD COLUMN IF NOT EXISTS OpenedAt Nullable(DateTime64(6, 'UTC'))
        MATERIALIZED parseDateTime64BestEffortOrNull(JSONExtractString(Content, 'snapshot', 'investigation', 'opened_at'), 6, 'UTC')
