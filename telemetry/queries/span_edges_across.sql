-- As span_edges.sql, where spans are also linked to spans of other traces, as who handles a message is to who sent it: by a link, or
-- by a correlation id that both have. A handling counts as a call of the sender.
WITH
    -- include: edge_spans
    linked AS
    (
        SELECT
            SpanKey AS id,
            LinkedKey AS parent,
            toUInt32(transform(ServiceName, services, arrayEnumerate(services), 0)) AS service,
            toUnixTimestamp64Nano(Timestamp) AS began,
            Duration AS duration,
            positionCaseInsensitive(StatusCode, 'error') > 0 AS failed
        FROM span_links
        WHERE Tenant = {tenant:String} AND Recording = {recording:String}
            AND Timestamp >= fromUnixTimestamp64Nano({start:Int64})
            AND Timestamp < fromUnixTimestamp64Nano({end:Int64})
            AND Timestamp < fromUnixTimestamp64Nano({horizon:Int64})
            AND toUnixTimestamp64Nano(Timestamp) + Duration < {horizon:Int64}
    ),
    correlated AS
    (
        SELECT
            CorrelationId AS correlation,
            SpanKey AS id,
            SpanKind AS kind,
            toUInt32(transform(ServiceName, services, arrayEnumerate(services), 0)) AS service,
            toUnixTimestamp64Nano(Timestamp) AS began,
            Duration AS duration,
            positionCaseInsensitive(StatusCode, 'error') > 0 AS failed
        FROM span_correlations
        WHERE Tenant = {tenant:String} AND Recording = {recording:String}
            AND Timestamp >= fromUnixTimestamp64Nano({start:Int64} - {family:Int64})
            AND Timestamp < fromUnixTimestamp64Nano({end:Int64})
            AND Timestamp < fromUnixTimestamp64Nano({horizon:Int64})
            AND toUnixTimestamp64Nano(Timestamp) + Duration < {horizon:Int64}
            AND SpanKind IN ('Producer', 'Consumer')
    ),
    handed_over AS
    (
        SELECT parent, service, began, duration, failed
        FROM linked
        UNION ALL
        -- Of several that sent it the last one before it was handled.
        SELECT sent.id AS parent, handled.service AS service, handled.began AS began, handled.duration AS duration, handled.failed AS failed
        FROM (SELECT * FROM correlated WHERE kind = 'Consumer' AND began >= {start:Int64} AND id NOT IN (SELECT id FROM linked)) AS handled
        ASOF JOIN (SELECT correlation, id, began FROM correlated WHERE kind = 'Producer') AS sent
            ON sent.correlation = handled.correlation AND handled.began >= sent.began
        -- In the same trace they are parent and child already.
        WHERE bitShiftRight(sent.id, 48) != bitShiftRight(handled.id, 48)
    ),
    own AS
    (
        SELECT parent, service, began, duration, failed
        FROM spans
        WHERE parent != 0 AND began >= {start:Int64} AND began < {end:Int64}
            AND slot < if(began >= {recent:Int64}, {kept_recent:UInt32}, {kept_older:UInt32})
        UNION ALL
        SELECT parent, service, began, duration, failed
        FROM handed_over
        -- Who sent it is looked for among the spans that are read.
        WHERE bitShiftRight(parent, 48) < if(began >= {recent:Int64}, {kept_recent:UInt32}, {kept_older:UInt32})
    ),
    arraySort(groupArrayArray(by_step)) AS steps
-- include: edges
