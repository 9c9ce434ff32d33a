-- By how much counters rose, per step. A value below the one before it, or a newer start, is a reset: then the point counts from its
-- start. What was counted between two points belongs to the step of the later one.
WITH consecutive AS
(
    SELECT
        ServiceName, MetricName, Value,
        AggregationTemporality = 1 AS IsDelta,
        toUnixTimestamp64Nano(TimeUnix) AS Nanos,
        toUnixTimestamp64Nano(StartTimeUnix) AS Began,
        count() OVER series = 2 AS HasPrevious,
        toUnixTimestamp64Nano(first_value(TimeUnix) OVER series) AS PreviousNanos,
        first_value(Value) OVER series AS PreviousValue
    FROM otel_metrics_sum
    WHERE Tenant = {tenant:String} AND Recording = {recording:String}
        AND TimeUnix >= fromUnixTimestamp64Nano({start:Int64} - {lookback:Int64}) AND TimeUnix < fromUnixTimestamp64Nano({end:Int64})
        AND TimeUnix < fromUnixTimestamp64Nano({horizon:Int64})
        AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
        AND MetricName IN {metrics:Array(String)}
        AND isFinite(Value) AND (IsMonotonic OR AggregationTemporality = 1)
    WINDOW series AS (PARTITION BY SeriesKey ORDER BY TimeUnix ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
)
SELECT
    toString(ServiceName) AS service,
    toString(MetricName) AS metric,
    fromUnixTimestamp64Micro(intDiv({start:Int64} + intDiv(Nanos - {start:Int64}, {step:Int64}) * {step:Int64}, 1000), 'UTC') AS time,
    sum(Value - if(HasPrevious AND NOT IsDelta AND Began <= PreviousNanos AND Value >= PreviousValue, PreviousValue, 0)) AS increase
FROM consecutive
WHERE Nanos >= {start:Int64} AND (IsDelta OR HasPrevious OR Began >= {start:Int64} - {lookback:Int64})
GROUP BY service, metric, time
ORDER BY service, metric, time
