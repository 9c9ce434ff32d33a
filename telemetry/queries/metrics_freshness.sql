-- How far the metrics reach before the horizon, and how many services have points in the window.
SELECT
    count() AS items,
    fromUnixTimestamp64Micro(intDiv(toUnixTimestamp64Nano(max(Newest)), 1000), 'UTC') AS watermark,
    uniqExactIf(ServiceName, InWindow > 0) AS services
FROM
(
    SELECT ServiceName, max(TimeUnix) AS Newest, countIf(TimeUnix >= fromUnixTimestamp64Nano({start:Int64}) AND TimeUnix < fromUnixTimestamp64Nano({end:Int64})) AS InWindow
    FROM otel_metrics_gauge
    WHERE Tenant = {tenant:String} AND Recording = {recording:String}
        AND TimeUnix < fromUnixTimestamp64Nano({horizon:Int64})
        AND TimeUnix >= fromUnixTimestamp64Nano({horizon:Int64}) - toIntervalDay(7)
    GROUP BY ServiceName
    UNION ALL
    SELECT ServiceName, max(TimeUnix) AS Newest, countIf(TimeUnix >= fromUnixTimestamp64Nano({start:Int64}) AND TimeUnix < fromUnixTimestamp64Nano({end:Int64})) AS InWindow
    FROM otel_metrics_sum
    WHERE Tenant = {tenant:String} AND Recording = {recording:String}
        AND TimeUnix < fromUnixTimestamp64Nano({horizon:Int64})
        AND TimeUnix >= fromUnixTimestamp64Nano({horizon:Int64}) - toIntervalDay(7)
    GROUP BY ServiceName
    UNION ALL
    SELECT ServiceName, max(TimeUnix) AS Newest, countIf(TimeUnix >= fromUnixTimestamp64Nano({start:Int64}) AND TimeUnix < fromUnixTimestamp64Nano({end:Int64})) AS InWindow
    FROM otel_metrics_histogram
    WHERE Tenant = {tenant:String} AND Recording = {recording:String}
        AND TimeUnix < fromUnixTimestamp64Nano({horizon:Int64})
        AND TimeUnix >= fromUnixTimestamp64Nano({horizon:Int64}) - toIntervalDay(7)
    GROUP BY ServiceName
    UNION ALL
    SELECT ServiceName, max(TimeUnix) AS Newest, countIf(TimeUnix >= fromUnixTimestamp64Nano({start:Int64}) AND TimeUnix < fromUnixTimestamp64Nano({end:Int64})) AS InWindow
    FROM otel_metrics_exponential_histogram
    WHERE Tenant = {tenant:String} AND Recording = {recording:String}
        AND TimeUnix < fromUnixTimestamp64Nano({horizon:Int64})
        AND TimeUnix >= fromUnixTimestamp64Nano({horizon:Int64}) - toIntervalDay(7)
    GROUP BY ServiceName
    UNION ALL
    SELECT ServiceName, max(TimeUnix) AS Newest, countIf(TimeUnix >= fromUnixTimestamp64Nano({start:Int64}) AND TimeUnix < fromUnixTimestamp64Nano({end:Int64})) AS InWindow
    FROM otel_metrics_summary
    WHERE Tenant = {tenant:String} AND Recording = {recording:String}
        AND TimeUnix < fromUnixTimestamp64Nano({horizon:Int64})
        AND TimeUnix >= fromUnixTimestamp64Nano({horizon:Int64}) - toIntervalDay(7)
    GROUP BY ServiceName
)
