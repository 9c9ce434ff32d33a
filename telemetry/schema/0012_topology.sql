-- Who calls whom by declaration. DeclaredAt is the epoch where a recording does not say since when.
CREATE TABLE IF NOT EXISTS topology
(
    Tenant LowCardinality(String),
    Recording LowCardinality(String),
    Caller String,
    Callee String,
    DeclaredAt DateTime64(9) DEFAULT toDateTime64(0, 9)
)
ENGINE = ReplacingMergeTree
ORDER BY (Tenant, Recording, Caller, Callee)
