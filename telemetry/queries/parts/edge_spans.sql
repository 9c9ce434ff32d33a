-- The services by number, and the spans: those of the window, and before it their parents.
-- Everything between the scan and the answer is numbers: that is what makes millions of spans answerable.
-- Requests fall into 65,536 slots by their trace id. Where there are too many spans, only those in the first slots are read, of older
-- requests fewer than of recent ones, and counted as many times as it takes to make up for the others (see span_sample.py).
    (
        -- Services by number, in the order of their names.
        SELECT arraySort(groupUniqArray(toString(ServiceName)))
        FROM otel_traces
        WHERE Tenant = {tenant:String} AND Recording = {recording:String}
            AND Timestamp >= fromUnixTimestamp64Nano({start:Int64} - {family:Int64})
            AND Timestamp < fromUnixTimestamp64Nano({end:Int64})
            AND Timestamp < fromUnixTimestamp64Nano({horizon:Int64})
            AND toUnixTimestamp64Nano(Timestamp) + Duration < {horizon:Int64}
    ) AS services,
    spans AS
    (
        SELECT
            SpanKey AS id,
            ParentKey AS parent,
            bitShiftRight(SpanKey, 48) AS slot,
            toUInt32(transform(ServiceName, services, arrayEnumerate(services), 0)) AS service,
            toUnixTimestamp64Nano(Timestamp) AS began,
            Duration AS duration,
            positionCaseInsensitive(StatusCode, 'error') > 0 AS failed
        FROM otel_traces
        WHERE Tenant = {tenant:String} AND Recording = {recording:String}
            AND Timestamp >= fromUnixTimestamp64Nano({start:Int64} - {family:Int64})
            AND Timestamp < fromUnixTimestamp64Nano({end:Int64})
            AND Timestamp < fromUnixTimestamp64Nano({horizon:Int64})
            AND toUnixTimestamp64Nano(Timestamp) + Duration < {horizon:Int64}
            -- The first of the recent have relatives among the last of the older.
            AND slot < if(Timestamp >= fromUnixTimestamp64Nano({recent:Int64} - {family:Int64}), {kept_recent:UInt32}, {kept_older:UInt32})
    ),
