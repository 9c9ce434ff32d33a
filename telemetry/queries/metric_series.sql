-- Time series aggregated into steps. Every point becomes a measured value with a weight: 1 for a gauge, the seconds that it covers
-- for a rate, the number of observations for a mean.
SELECT
    service,
    instance,
    metric,
    unit,
    kind,
    attributes,
    region,
    cluster,
    arrayMap(s -> s.1, steps) AS times,
    arrayMap(s -> s.2, steps) AS average,
    arrayMap(s -> s.3, steps) AS minimum,
    arrayMap(s -> s.4, steps) AS maximum,
    arrayMap(s -> s.5, steps) AS count
FROM
(
    SELECT service, instance, metric, unit, kind, attributes, region, cluster,
        arraySort(groupArray((time, average, minimum, maximum, samples))) AS steps
    FROM
    (
        -- Resources that differ in nothing but what middlewatch does not know are one series.
        SELECT
            toString(ServiceName) AS service,
            arrayFirst(value -> value != '', arrayMap(key -> ResourceAttributes[key], {instance_keys:Array(String)})) AS instance,
            MetricName AS metric,
            Unit AS unit,
            Kind AS kind,
            mapSort(Attributes) AS attributes,
            ResourceAttributes[{region_key:String}] AS region,
            ResourceAttributes[{cluster_key:String}] AS cluster,
            fromUnixTimestamp64Micro(intDiv({start:Int64} + Step * {step:Int64}, 1000), 'UTC') AS time,
            sum(WeightedSum) / sum(WeightSum) AS average,
            min(Minimum) AS minimum,
            max(Maximum) AS maximum,
            sum(SampleSum) AS samples
        FROM
        (
            SELECT
                ServiceName, MetricName, Kind, Unit, Attributes, ResourceAttributes,
                intDiv(Nanos - {start:Int64}, {step:Int64}) AS Step,
                sum(Measured * Weight) AS WeightedSum,
                sum(Weight) AS WeightSum,
                min(Measured) AS Minimum,
                max(Measured) AS Maximum,
                sum(Samples) AS SampleSum
            FROM
            (
                SELECT ServiceName, MetricName, 'gauge' AS Kind, MetricUnit AS Unit, Attributes, ResourceAttributes, toUnixTimestamp64Nano(TimeUnix) AS Nanos, Value AS Measured, 1. AS Weight, toUInt64(1) AS Samples
                FROM otel_metrics_gauge
                WHERE Tenant = {tenant:String} AND Recording = {recording:String}
                    AND TimeUnix >= fromUnixTimestamp64Nano({start:Int64}) AND TimeUnix < fromUnixTimestamp64Nano({end:Int64})
                    AND TimeUnix < fromUnixTimestamp64Nano({horizon:Int64})
                    AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
                    AND (empty({metrics:Array(String)}) OR MetricName IN {metrics:Array(String)})
                    AND isFinite(Value)
                UNION ALL
                -- A sum that may fall, such as a number of connections, is read as it is.
                SELECT ServiceName, MetricName, 'sum' AS Kind, MetricUnit AS Unit, Attributes, ResourceAttributes, toUnixTimestamp64Nano(TimeUnix) AS Nanos, Value AS Measured, 1. AS Weight, toUInt64(1) AS Samples
                FROM otel_metrics_sum
                WHERE Tenant = {tenant:String} AND Recording = {recording:String}
                    AND TimeUnix >= fromUnixTimestamp64Nano({start:Int64}) AND TimeUnix < fromUnixTimestamp64Nano({end:Int64})
                    AND TimeUnix < fromUnixTimestamp64Nano({horizon:Int64})
                    AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
                    AND (empty({metrics:Array(String)}) OR MetricName IN {metrics:Array(String)})
                    AND isFinite(Value) AND NOT IsMonotonic AND AggregationTemporality != 1
                UNION ALL
                -- A monotonic sum is read as increase per second since the point before it. A lower value than before, or a newer start, is a
                -- reset: then the value counts from the start.
                SELECT ServiceName, MetricName, 'sum' AS Kind, concat(MetricUnit, '/s') AS Unit, Attributes, ResourceAttributes, Nanos, Increase / Seconds AS Measured, Seconds AS Weight, toUInt64(1) AS Samples
                FROM
                (
                    SELECT
                        ServiceName, MetricName, MetricUnit, Attributes, ResourceAttributes,
                        toUnixTimestamp64Nano(TimeUnix) AS Nanos,
                        toUnixTimestamp64Nano(StartTimeUnix) AS Began,
                        count() OVER series = 2 AS HasPrevious,
                        toUnixTimestamp64Nano(first_value(TimeUnix) OVER series) AS PreviousNanos,
                        first_value(Value) OVER series AS Previous,
                        Value < Previous OR Began > PreviousNanos AS Restarted,
                        multiIf(AggregationTemporality = 1, Value, HasPrevious AND NOT Restarted, Value - Previous, Value) AS Increase,
                        if(AggregationTemporality != 1 AND HasPrevious AND (NOT Restarted OR Began < PreviousNanos), Nanos - PreviousNanos, Nanos - Began) / 1e9 AS Seconds,
                        AggregationTemporality = 1 OR HasPrevious OR Began >= {start:Int64} - {lookback:Int64} AS Usable
                    FROM otel_metrics_sum
                    WHERE Tenant = {tenant:String} AND Recording = {recording:String}
                        AND TimeUnix >= fromUnixTimestamp64Nano({start:Int64} - {lookback:Int64}) AND TimeUnix < fromUnixTimestamp64Nano({end:Int64})
                        AND TimeUnix < fromUnixTimestamp64Nano({horizon:Int64})
                        AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
                        AND (empty({metrics:Array(String)}) OR MetricName IN {metrics:Array(String)})
                        AND isFinite(Value) AND (IsMonotonic OR AggregationTemporality = 1)
                    WINDOW series AS (PARTITION BY ServiceName, MetricName, MetricUnit, mapSort(Attributes), mapSort(ResourceAttributes) ORDER BY TimeUnix ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
                )
                WHERE Usable AND Seconds > 0 AND Nanos >= {start:Int64}
                UNION ALL
                -- Of histograms and summaries, the mean of what was observed since the point before.
                SELECT ServiceName, MetricName, 'histogram' AS Kind, MetricUnit AS Unit, Attributes, ResourceAttributes, Nanos, Total / Observations AS Measured, toFloat64(Observations) AS Weight, toUInt64(Observations) AS Samples
                FROM
                (
                    SELECT
                        ServiceName, MetricName, MetricUnit, Attributes, ResourceAttributes,
                        toUnixTimestamp64Nano(TimeUnix) AS Nanos,
                        toUnixTimestamp64Nano(StartTimeUnix) AS Began,
                        count() OVER series = 2 AS HasPrevious,
                        toUnixTimestamp64Nano(first_value(TimeUnix) OVER series) AS PreviousNanos,
                        first_value(Count) OVER series AS PreviousCount,
                        first_value(Sum) OVER series AS PreviousSum,
                        Count < PreviousCount OR Began > PreviousNanos AS Restarted,
                        AggregationTemporality = 1 AS Delta,
                        if(Delta OR NOT HasPrevious OR Restarted, toInt64(Count), toInt64(Count) - toInt64(PreviousCount)) AS Observations,
                        if(Delta OR NOT HasPrevious OR Restarted, Sum, Sum - PreviousSum) AS Total,
                        Delta OR HasPrevious OR Began >= {start:Int64} - {lookback:Int64} AS Usable
                    FROM otel_metrics_histogram
                    WHERE Tenant = {tenant:String} AND Recording = {recording:String}
                        AND TimeUnix >= fromUnixTimestamp64Nano({start:Int64} - {lookback:Int64}) AND TimeUnix < fromUnixTimestamp64Nano({end:Int64})
                        AND TimeUnix < fromUnixTimestamp64Nano({horizon:Int64})
                        AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
                        AND (empty({metrics:Array(String)}) OR MetricName IN {metrics:Array(String)})
                        AND isFinite(Sum)
                    WINDOW series AS (PARTITION BY ServiceName, MetricName, MetricUnit, mapSort(Attributes), mapSort(ResourceAttributes) ORDER BY TimeUnix ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
                )
                WHERE Usable AND Observations > 0 AND Nanos >= {start:Int64}
                UNION ALL
                SELECT ServiceName, MetricName, 'histogram' AS Kind, MetricUnit AS Unit, Attributes, ResourceAttributes, Nanos, Total / Observations AS Measured, toFloat64(Observations) AS Weight, toUInt64(Observations) AS Samples
                FROM
                (
                    SELECT
                        ServiceName, MetricName, MetricUnit, Attributes, ResourceAttributes,
                        toUnixTimestamp64Nano(TimeUnix) AS Nanos,
                        toUnixTimestamp64Nano(StartTimeUnix) AS Began,
                        count() OVER series = 2 AS HasPrevious,
                        toUnixTimestamp64Nano(first_value(TimeUnix) OVER series) AS PreviousNanos,
                        first_value(Count) OVER series AS PreviousCount,
                        first_value(Sum) OVER series AS PreviousSum,
                        Count < PreviousCount OR Began > PreviousNanos AS Restarted,
                        AggregationTemporality = 1 AS Delta,
                        if(Delta OR NOT HasPrevious OR Restarted, toInt64(Count), toInt64(Count) - toInt64(PreviousCount)) AS Observations,
                        if(Delta OR NOT HasPrevious OR Restarted, Sum, Sum - PreviousSum) AS Total,
                        Delta OR HasPrevious OR Began >= {start:Int64} - {lookback:Int64} AS Usable
                    FROM otel_metrics_exponential_histogram
                    WHERE Tenant = {tenant:String} AND Recording = {recording:String}
                        AND TimeUnix >= fromUnixTimestamp64Nano({start:Int64} - {lookback:Int64}) AND TimeUnix < fromUnixTimestamp64Nano({end:Int64})
                        AND TimeUnix < fromUnixTimestamp64Nano({horizon:Int64})
                        AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
                        AND (empty({metrics:Array(String)}) OR MetricName IN {metrics:Array(String)})
                        AND isFinite(Sum)
                    WINDOW series AS (PARTITION BY ServiceName, MetricName, MetricUnit, mapSort(Attributes), mapSort(ResourceAttributes) ORDER BY TimeUnix ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
                )
                WHERE Usable AND Observations > 0 AND Nanos >= {start:Int64}
                UNION ALL
                SELECT ServiceName, MetricName, 'summary' AS Kind, MetricUnit AS Unit, Attributes, ResourceAttributes, Nanos, Total / Observations AS Measured, toFloat64(Observations) AS Weight, toUInt64(Observations) AS Samples
                FROM
                (
                    SELECT
                        ServiceName, MetricName, MetricUnit, Attributes, ResourceAttributes,
                        toUnixTimestamp64Nano(TimeUnix) AS Nanos,
                        toUnixTimestamp64Nano(StartTimeUnix) AS Began,
                        count() OVER series = 2 AS HasPrevious,
                        toUnixTimestamp64Nano(first_value(TimeUnix) OVER series) AS PreviousNanos,
                        first_value(Count) OVER series AS PreviousCount,
                        first_value(Sum) OVER series AS PreviousSum,
                        Count < PreviousCount OR Began > PreviousNanos AS Restarted,
                        false AS Delta,
                        if(Delta OR NOT HasPrevious OR Restarted, toInt64(Count), toInt64(Count) - toInt64(PreviousCount)) AS Observations,
                        if(Delta OR NOT HasPrevious OR Restarted, Sum, Sum - PreviousSum) AS Total,
                        Delta OR HasPrevious OR Began >= {start:Int64} - {lookback:Int64} AS Usable
                    FROM otel_metrics_summary
                    WHERE Tenant = {tenant:String} AND Recording = {recording:String}
                        AND TimeUnix >= fromUnixTimestamp64Nano({start:Int64} - {lookback:Int64}) AND TimeUnix < fromUnixTimestamp64Nano({end:Int64})
                        AND TimeUnix < fromUnixTimestamp64Nano({horizon:Int64})
                        AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
                        AND (empty({metrics:Array(String)}) OR MetricName IN {metrics:Array(String)})
                        AND isFinite(Sum)
                    WINDOW series AS (PARTITION BY ServiceName, MetricName, MetricUnit, mapSort(Attributes), mapSort(ResourceAttributes) ORDER BY TimeUnix ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
                )
                WHERE Usable AND Observations > 0 AND Nanos >= {start:Int64}
            )
            GROUP BY ServiceName, MetricName, Kind, Unit, Attributes, ResourceAttributes, Step
        )
        GROUP BY service, instance, metric, unit, kind, attributes, region, cluster, time
    )
    GROUP BY service, instance, metric, unit, kind, attributes, region, cluster
)
ORDER BY service, metric, instance, region, cluster, attributes
