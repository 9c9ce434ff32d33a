-- Imported recordings. A row here, written last, is what makes an import visible.
CREATE TABLE IF NOT EXISTS recordings
(
    Tenant LowCardinality(String),
    Recording String,
    Digest FixedString(64),
    Info String,
    Incidents String,
    Rows String,
    ImportedAt DateTime64(6, 'UTC') DEFAULT now64(6)
)
ENGINE = ReplacingMergeTree(ImportedAt)
ORDER BY (Tenant, Recording)
