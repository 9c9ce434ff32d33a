-- A span and its parent as numbers: 16 bytes instead of 64 to read, to join and to group by. The first 16 bits are the trace's, so that
-- whole requests can be sampled by them.
ALTER TABLE otel_traces
    ADD COLUMN IF NOT EXISTS SpanKey UInt64
        MATERIALIZED bitOr(bitShiftLeft(cityHash64(TraceId), 48), bitShiftRight(cityHash64(TraceId, SpanId), 16)) CODEC(NONE),
    ADD COLUMN IF NOT EXISTS ParentKey UInt64
        MATERIALIZED if(ParentSpanId = '', 0, bitOr(bitShiftLeft(cityHash64(TraceId), 48), bitShiftRight(cityHash64(TraceId, ParentSpanId), 16))) CODEC(NONE)
