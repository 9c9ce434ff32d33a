-- Time series aggregated into steps. Every point becomes a measured value with a weight: 1 for a gauge, the seconds that it covers
-- for a rate, the number of observations for a mean.
WITH accumulating AS
(
    -- What counts up: monotonic sums, and the totals of histograms and summaries with their numbers of observations.
    SELECT 1 AS Origin, 'sum' AS Kind, ServiceName, MetricName, MetricUnit, Attributes, ResourceAttributes, TimeUnix, StartTimeUnix,
        AggregationTemporality = 1 AS IsDelta, Value AS Total, toInt64(0) AS Observations
    FROM otel_metrics_sum
    WHERE Tenant = {tenant:String} AND Recording = {recording:String}
        AND TimeUnix >= fromUnixTimestamp64Nano({start:Int64} - {lookback:Int64}) AND TimeUnix < fromUnixTimestamp64Nano({end:Int64})
        AND TimeUnix < fromUnixTimestamp64Nano({horizon:Int64})
        AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
        AND (empty({metrics:Array(String)}) OR MetricName IN {metrics:Array(String)})
        AND isFinite(Value) AND (IsMonotonic OR AggregationTemporality = 1)
    UNION ALL
    SELECT 2 AS Origin, 'histogram' AS Kind, ServiceName, MetricName, MetricUnit, Attributes, ResourceAttributes, TimeUnix, StartTimeUnix,
        AggregationTemporality = 1 AS IsDelta, Sum AS Total, toInt64(Count) AS Observations
    FROM otel_metrics_histogram
    WHERE Tenant = {tenant:String} AND Recording = {recording:String}
        AND TimeUnix >= fromUnixTimestamp64Nano({start:Int64} - {lookback:Int64}) AND TimeUnix < fromUnixTimestamp64Nano({end:Int64})
        AND TimeUnix < fromUnixTimestamp64Nano({horizon:Int64})
        AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
        AND (empty({metrics:Array(String)}) OR MetricName IN {metrics:Array(String)})
        AND isFinite(Sum)
    UNION ALL
    SELECT 3 AS Origin, 'histogram' AS Kind, ServiceName, MetricName, MetricUnit, Attributes, ResourceAttributes, TimeUnix, StartTimeUnix,
        AggregationTemporality = 1 AS IsDelta, Sum AS Total, toInt64(Count) AS Observations
    FROM otel_metrics_exponential_histogram
    WHERE Tenant = {tenant:String} AND Recording = {recording:String}
        AND TimeUnix >= fromUnixTimestamp64Nano({start:Int64} - {lookback:Int64}) AND TimeUnix < fromUnixTimestamp64Nano({end:Int64})
        AND TimeUnix < fromUnixTimestamp64Nano({horizon:Int64})
        AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
        AND (empty({metrics:Array(String)}) OR MetricName IN {metrics:Array(String)})
        AND isFinite(Sum)
    UNION ALL
    SELECT 4 AS Origin, 'summary' AS Kind, ServiceName, MetricName, MetricUnit, Attributes, ResourceAttributes, TimeUnix, StartTimeUnix,
        false AS IsDelta, Sum AS Total, toInt64(Count) AS Observations
    FROM otel_metrics_summary
    WHERE Tenant = {tenant:String} AND Recording = {recording:String}
        AND TimeUnix >= fromUnixTimestamp64Nano({start:Int64} - {lookback:Int64}) AND TimeUnix < fromUnixTimestamp64Nano({end:Int64})
        AND TimeUnix < fromUnixTimestamp64Nano({horizon:Int64})
        AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
        AND (empty({metrics:Array(String)}) OR MetricName IN {metrics:Array(String)})
        AND isFinite(Sum)
),
consecutive AS
(
    -- Each point with the one before it in its series.
    SELECT
        Origin, Kind, ServiceName, MetricName, MetricUnit, Attributes, ResourceAttributes, IsDelta, Total, Observations,
        toUnixTimestamp64Nano(TimeUnix) AS Nanos,
        toUnixTimestamp64Nano(StartTimeUnix) AS Began,
        count() OVER series = 2 AS HasPrevious,
        first_value(TimeUnix) OVER series AS PreviousTime,
        first_value(Total) OVER series AS PreviousTotal,
        first_value(Observations) OVER series AS PreviousObservations
    FROM accumulating
    WINDOW series AS (
        PARTITION BY Origin, ServiceName, MetricName, MetricUnit, mapSort(Attributes), mapSort(ResourceAttributes)
        ORDER BY TimeUnix ROWS BETWEEN 1 PRECEDING AND CURRENT ROW
    )
),
increases AS
(
    -- A sum or a count below the one before it, or a newer start, is a reset: then the point counts from its start.
    SELECT
        Kind, ServiceName, MetricName, MetricUnit, Attributes, ResourceAttributes, Nanos,
        toUnixTimestamp64Nano(PreviousTime) AS PreviousNanos,
        HasPrevious AND NOT IsDelta AND Began <= PreviousNanos
            AND if(Origin = 1, Total >= PreviousTotal, Observations >= PreviousObservations) AS Continues,
        Total - if(Continues, PreviousTotal, 0) AS Increase,
        Observations - if(Continues, PreviousObservations, 0) AS Observed,
        -- A reset whose new start nobody told happened some time after the previous point.
        (Nanos - if(HasPrevious AND NOT IsDelta, greatest(PreviousNanos, Began), Began)) / 1e9 AS Seconds
    FROM consecutive
    WHERE Nanos >= {start:Int64} AND (IsDelta OR HasPrevious OR Began >= {start:Int64} - {lookback:Int64})
),
points AS
(
    SELECT ServiceName, MetricName, 'gauge' AS Kind, MetricUnit AS Unit, Attributes, ResourceAttributes, toUnixTimestamp64Nano(TimeUnix) AS Nanos,
        Value AS Measured, 1. AS Weight, toInt64(1) AS Samples
    FROM otel_metrics_gauge
    WHERE Tenant = {tenant:String} AND Recording = {recording:String}
        AND TimeUnix >= fromUnixTimestamp64Nano({start:Int64}) AND TimeUnix < fromUnixTimestamp64Nano({end:Int64})
        AND TimeUnix < fromUnixTimestamp64Nano({horizon:Int64})
        AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
        AND (empty({metrics:Array(String)}) OR MetricName IN {metrics:Array(String)})
        AND isFinite(Value)
    UNION ALL
    -- A sum that may fall, such as a number of connections, is read as it is.
    SELECT ServiceName, MetricName, 'sum' AS Kind, MetricUnit AS Unit, Attributes, ResourceAttributes, toUnixTimestamp64Nano(TimeUnix) AS Nanos,
        Value AS Measured, 1. AS Weight, toInt64(1) AS Samples
    FROM otel_metrics_sum
    WHERE Tenant = {tenant:String} AND Recording = {recording:String}
        AND TimeUnix >= fromUnixTimestamp64Nano({start:Int64}) AND TimeUnix < fromUnixTimestamp64Nano({end:Int64})
        AND TimeUnix < fromUnixTimestamp64Nano({horizon:Int64})
        AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
        AND (empty({metrics:Array(String)}) OR MetricName IN {metrics:Array(String)})
        AND isFinite(Value) AND NOT IsMonotonic AND AggregationTemporality != 1
    UNION ALL
    SELECT ServiceName, MetricName, Kind, if(Kind = 'sum', concat(MetricUnit, '/s'), MetricUnit) AS Unit, Attributes, ResourceAttributes, Nanos,
        Increase / Weight AS Measured,
        if(Kind = 'sum', Seconds, toFloat64(Observed)) AS Weight,
        if(Kind = 'sum', toInt64(1), Observed) AS Samples
    FROM increases
    WHERE if(Kind = 'sum', Seconds > 0, Observed > 0)
)
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
            toUInt64(sum(SampleSum)) AS samples
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
            FROM points
            GROUP BY ServiceName, MetricName, Kind, Unit, Attributes, ResourceAttributes, Step
        )
        GROUP BY service, instance, metric, unit, kind, attributes, region, cluster, time
    )
    GROUP BY service, instance, metric, unit, kind, attributes, region, cluster
)
ORDER BY service, metric, instance, region, cluster, attributes
