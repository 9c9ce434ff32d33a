-- Whether any span is linked to one of another trace, so that nobody else pays for the question how.
SELECT
    (
        SELECT count()
        FROM
        (
            SELECT 1
            FROM span_links
            WHERE Tenant = {tenant:String} AND Recording = {recording:String}
                AND Timestamp >= fromUnixTimestamp64Nano({start:Int64}) AND Timestamp < fromUnixTimestamp64Nano({end:Int64})
                AND Timestamp < fromUnixTimestamp64Nano({horizon:Int64})
                AND toUnixTimestamp64Nano(Timestamp) + Duration < {horizon:Int64}
            LIMIT 1
        )
    ) + (
        SELECT count()
        FROM
        (
            SELECT 1
            FROM span_correlations
            WHERE Tenant = {tenant:String} AND Recording = {recording:String}
                AND Timestamp >= fromUnixTimestamp64Nano({start:Int64}) AND Timestamp < fromUnixTimestamp64Nano({end:Int64})
                AND Timestamp < fromUnixTimestamp64Nano({horizon:Int64})
                AND toUnixTimestamp64Nano(Timestamp) + Duration < {horizon:Int64}
                AND SpanKind = 'Consumer'
            LIMIT 1
        )
    ) AS linked
