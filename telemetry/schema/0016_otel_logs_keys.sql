-- What every question about log lines needs of each of them, computed once, when it arrives.
--
-- Pattern is the body with its variable parts masked. A source location (`Class#123`, `file.py:12`) says which line of the code
-- spoke: it is shielded from the masks and restored. Only the first 1,000 characters count: longer bodies differ in their payload,
-- which is the variable part. One small expression a pass: one alternation of them all is a hundred times slower, for it leaves
-- RE2's automaton. The passes, in order: double-quoted strings; single-quoted ones with what stands before them, since an
-- apostrophe inside a word quotes nothing; the shield; ids and UUIDs in hexadecimal; dates, times, addresses, and numbers with
-- their unit; and the shield taken off. The view over a Collector's table (collector/otel_logs.sql) says the same.
ALTER TABLE otel_logs
    ADD COLUMN IF NOT EXISTS SpanKey UInt64
        MATERIALIZED if(SpanId = '', 0, bitOr(bitShiftLeft(cityHash64(TraceId), 48), bitShiftRight(cityHash64(TraceId, SpanId), 16))) CODEC(NONE),
    ADD COLUMN IF NOT EXISTS Pattern LowCardinality(String)
        MATERIALIZED replaceRegexpAll(
            toValidUTF8(
                replaceRegexpAll(replaceRegexpAll(replaceRegexpAll(replaceRegexpAll(replaceRegexpAll(substringUTF8(Body, 1, 1000),
                    '"(?:[^"\\\\]|\\\\.)*"', '<*>'),
                    '[\\s=(:,\\[]\'[^\']*\'', ' <*>'),
                    '([A-Za-z_$\\])]#|\\.[A-Za-z]{1,4}:)(\\d{1,6})\\b', '\\1L\\2Q'),
                    '\\b(?:0[xX][0-9a-fA-F]+|[0-9a-fA-F]{8,}(?:-[0-9a-fA-F]{4,})*)\\b', '<*>'),
                    '\\b\\d+(?:[.,:/T+-]\\d+)*(?:Z|ns|us|ms|s|m|h|d|[kKMGT]?i?B|[kKMGT])?\\b', '<*>')),
            '(#|\\.[A-Za-z]{1,4}:)L(\\d{1,6})Q', '\\1\\2') CODEC(ZSTD(1))
