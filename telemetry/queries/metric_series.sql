-- Time series aggregated into steps. Every point becomes a measured value with a weight: 1 for a gauge, the seconds that it covers
-- for a rate, the number of observations for a mean. Series are numbers until the end; SeriesKey plus the number of the table tells
-- those of different tables apart.
WITH accumulating AS
(
    -- What counts up: monotonic sums, and the totals of histograms and summaries with their numbers of observations.
    SELECT 1 AS Origin, SeriesKey + 1 AS Series, TimeUnix, StartTimeUnix, AggregationTemporality = 1 AS IsDelta, Value AS Total, toInt64(0) AS Observations
    FROM otel_metrics_sum
    WHERE Tenant = {tenant:String} AND Recording = {recording:String}
        AND TimeUnix >= fromUnixTimestamp64Nano({start:Int64} - {lookback:Int64}) AND TimeUnix < fromUnixTimestamp64Nano({end:Int64})
        AND TimeUnix < fromUnixTimestamp64Nano({horizon:Int64})
        AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
        AND (empty({metrics:Array(String)}) OR MetricName IN {metrics:Array(String)})
        AND isFinite(Value) AND (IsMonotonic OR AggregationTemporality = 1)
    UNION ALL
    SELECT 2 AS Origin, SeriesKey + 2 AS Series, TimeUnix, StartTimeUnix, AggregationTemporality = 1 AS IsDelta, Sum AS Total, toInt64(Count) AS Observations
    FROM otel_metrics_histogram
    WHERE Tenant = {tenant:String} AND Recording = {recording:String}
        AND TimeUnix >= fromUnixTimestamp64Nano({start:Int64} - {lookback:Int64}) AND TimeUnix < fromUnixTimestamp64Nano({end:Int64})
        AND TimeUnix < fromUnixTimestamp64Nano({horizon:Int64})
        AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
        AND (empty({metrics:Array(String)}) OR MetricName IN {metrics:Array(String)})
        AND isFinite(Sum)
    UNION ALL
    SELECT 3 AS Origin, SeriesKey + 3 AS Series, TimeUnix, StartTimeUnix, AggregationTemporality = 1 AS IsDelta, Sum AS Total, toInt64(Count) AS Observations
    FROM otel_metrics_exponential_histogram
    WHERE Tenant = {tenant:String} AND Recording = {recording:String}
        AND TimeUnix >= fromUnixTimestamp64Nano({start:Int64} - {lookback:Int64}) AND TimeUnix < fromUnixTimestamp64Nano({end:Int64})
        AND TimeUnix < fromUnixTimestamp64Nano({horizon:Int64})
        AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
        AND (empty({metrics:Array(String)}) OR MetricName IN {metrics:Array(String)})
        AND isFinite(Sum)
    UNION ALL
    SELECT 4 AS Origin, SeriesKey + 4 AS Series, TimeUnix, StartTimeUnix, false AS IsDelta, Sum AS Total, toInt64(Count) AS Observations
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
        Origin, Series, IsDelta, Total, Observations,
        toUnixTimestamp64Nano(TimeUnix) AS Nanos,
        toUnixTimestamp64Nano(StartTimeUnix) AS Began,
        count() OVER series = 2 AS HasPrevious,
        first_value(TimeUnix) OVER series AS PreviousTime,
        first_value(Total) OVER series AS PreviousTotal,
        first_value(Observations) OVER series AS PreviousObservations
    FROM accumulating
    WINDOW series AS (PARTITION BY Series ORDER BY TimeUnix ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
),
increases AS
(
    -- A sum or a count below the one before it, or a newer start, is a reset: then the point counts from its start.
    SELECT
        Origin, Series, Nanos,
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
    SELECT SeriesKey + 0 AS Series, toUnixTimestamp64Nano(TimeUnix) AS Nanos, Value AS Measured, 1. AS Weight, toInt64(1) AS Samples
    FROM otel_metrics_gauge
    WHERE Tenant = {tenant:String} AND Recording = {recording:String}
        AND TimeUnix >= fromUnixTimestamp64Nano({start:Int64}) AND TimeUnix < fromUnixTimestamp64Nano({end:Int64})
        AND TimeUnix < fromUnixTimestamp64Nano({horizon:Int64})
        AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
        AND (empty({metrics:Array(String)}) OR MetricName IN {metrics:Array(String)})
        AND isFinite(Value)
    UNION ALL
    -- A sum that may fall, such as a number of connections, is read as it is.
    SELECT SeriesKey + 5 AS Series, toUnixTimestamp64Nano(TimeUnix) AS Nanos, Value AS Measured, 1. AS Weight, toInt64(1) AS Samples
    FROM otel_metrics_sum
    WHERE Tenant = {tenant:String} AND Recording = {recording:String}
        AND TimeUnix >= fromUnixTimestamp64Nano({start:Int64}) AND TimeUnix < fromUnixTimestamp64Nano({end:Int64})
        AND TimeUnix < fromUnixTimestamp64Nano({horizon:Int64})
        AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
        AND (empty({metrics:Array(String)}) OR MetricName IN {metrics:Array(String)})
        AND isFinite(Value) AND NOT IsMonotonic AND AggregationTemporality != 1
    UNION ALL
    SELECT Series, Nanos, Increase / Weight AS Measured,
        if(Origin = 1, Seconds, toFloat64(Observed)) AS Weight,
        if(Origin = 1, toInt64(1), Observed) AS Samples
    FROM increases
    WHERE if(Origin = 1, Seconds > 0, Observed > 0)
),
(
    -- What the series are called, and which keys belong to one: resources that differ in nothing but what middlewatch does not know
    -- are one series.
    SELECT (groupArray(identity), groupArray(keys))
    FROM
    (
        SELECT any(named) AS identity, groupArray(Series) AS keys
        FROM
        (
            SELECT Series, (
                toString(Service),
                arrayFirst(value -> value != '', arrayMap(key -> Resource[key], {instance_keys:Array(String)})),
                Metric, Unit, Kind, mapSort(Own), Resource[{region_key:String}], Resource[{cluster_key:String}]
            ) AS named
            FROM
            (
            SELECT SeriesKey + 0 AS Series, 'gauge' AS Kind, any(ServiceName) AS Service, any(MetricName) AS Metric, any(MetricUnit) AS Unit, any(Attributes) AS Own, any(ResourceAttributes) AS Resource
            FROM otel_metrics_gauge
            WHERE Tenant = {tenant:String} AND Recording = {recording:String}
                AND TimeUnix >= fromUnixTimestamp64Nano({start:Int64} - {lookback:Int64}) AND TimeUnix < fromUnixTimestamp64Nano({end:Int64})
                AND TimeUnix < fromUnixTimestamp64Nano({horizon:Int64})
                AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
                AND (empty({metrics:Array(String)}) OR MetricName IN {metrics:Array(String)})
            GROUP BY SeriesKey
            UNION ALL
            SELECT SeriesKey + 1 AS Series, 'sum' AS Kind, any(ServiceName) AS Service, any(MetricName) AS Metric, concat(any(MetricUnit), '/s') AS Unit, any(Attributes) AS Own, any(ResourceAttributes) AS Resource
            FROM otel_metrics_sum
            WHERE Tenant = {tenant:String} AND Recording = {recording:String}
                AND TimeUnix >= fromUnixTimestamp64Nano({start:Int64} - {lookback:Int64}) AND TimeUnix < fromUnixTimestamp64Nano({end:Int64})
                AND TimeUnix < fromUnixTimestamp64Nano({horizon:Int64})
                AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
                AND (empty({metrics:Array(String)}) OR MetricName IN {metrics:Array(String)})
                AND (IsMonotonic OR AggregationTemporality = 1)
            GROUP BY SeriesKey
            UNION ALL
            SELECT SeriesKey + 2 AS Series, 'histogram' AS Kind, any(ServiceName) AS Service, any(MetricName) AS Metric, any(MetricUnit) AS Unit, any(Attributes) AS Own, any(ResourceAttributes) AS Resource
            FROM otel_metrics_histogram
            WHERE Tenant = {tenant:String} AND Recording = {recording:String}
                AND TimeUnix >= fromUnixTimestamp64Nano({start:Int64} - {lookback:Int64}) AND TimeUnix < fromUnixTimestamp64Nano({end:Int64})
                AND TimeUnix < fromUnixTimestamp64Nano({horizon:Int64})
                AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
                AND (empty({metrics:Array(String)}) OR MetricName IN {metrics:Array(String)})
            GROUP BY SeriesKey
            UNION ALL
            SELECT SeriesKey + 3 AS Series, 'histogram' AS Kind, any(ServiceName) AS Service, any(MetricName) AS Metric, any(MetricUnit) AS Unit, any(Attributes) AS Own, any(ResourceAttributes) AS Resource
            FROM otel_metrics_exponential_histogram
            WHERE Tenant = {tenant:String} AND Recording = {recording:String}
                AND TimeUnix >= fromUnixTimestamp64Nano({start:Int64} - {lookback:Int64}) AND TimeUnix < fromUnixTimestamp64Nano({end:Int64})
                AND TimeUnix < fromUnixTimestamp64Nano({horizon:Int64})
                AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
                AND (empty({metrics:Array(String)}) OR MetricName IN {metrics:Array(String)})
            GROUP BY SeriesKey
            UNION ALL
            SELECT SeriesKey + 4 AS Series, 'summary' AS Kind, any(ServiceName) AS Service, any(MetricName) AS Metric, any(MetricUnit) AS Unit, any(Attributes) AS Own, any(ResourceAttributes) AS Resource
            FROM otel_metrics_summary
            WHERE Tenant = {tenant:String} AND Recording = {recording:String}
                AND TimeUnix >= fromUnixTimestamp64Nano({start:Int64} - {lookback:Int64}) AND TimeUnix < fromUnixTimestamp64Nano({end:Int64})
                AND TimeUnix < fromUnixTimestamp64Nano({horizon:Int64})
                AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
                AND (empty({metrics:Array(String)}) OR MetricName IN {metrics:Array(String)})
            GROUP BY SeriesKey
            UNION ALL
            SELECT SeriesKey + 5 AS Series, 'sum' AS Kind, any(ServiceName) AS Service, any(MetricName) AS Metric, any(MetricUnit) AS Unit, any(Attributes) AS Own, any(ResourceAttributes) AS Resource
            FROM otel_metrics_sum
            WHERE Tenant = {tenant:String} AND Recording = {recording:String}
                AND TimeUnix >= fromUnixTimestamp64Nano({start:Int64} - {lookback:Int64}) AND TimeUnix < fromUnixTimestamp64Nano({end:Int64})
                AND TimeUnix < fromUnixTimestamp64Nano({horizon:Int64})
                AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
                AND (empty({metrics:Array(String)}) OR MetricName IN {metrics:Array(String)})
                AND NOT IsMonotonic AND AggregationTemporality != 1
            GROUP BY SeriesKey
            )
        )
        GROUP BY cityHash64(named)
    )
) AS known
SELECT
    known.1[number].1 AS service,
    known.1[number].2 AS instance,
    known.1[number].3 AS metric,
    known.1[number].4 AS unit,
    known.1[number].5 AS kind,
    known.1[number].6 AS attributes,
    known.1[number].7 AS region,
    known.1[number].8 AS cluster,
    arrayMap(s -> fromUnixTimestamp64Micro(intDiv({start:Int64} + s.1 * {step:Int64}, 1000), 'UTC'), steps) AS times,
    arrayMap(s -> s.2, steps) AS average,
    arrayMap(s -> s.3, steps) AS minimum,
    arrayMap(s -> s.4, steps) AS maximum,
    arrayMap(s -> s.5, steps) AS count
FROM
(
    SELECT number, arraySort(groupArray((step, average, minimum, maximum, samples))) AS steps
    FROM
    (
        SELECT
            transform(Series, arrayFlatten(known.2), arrayFlatten(arrayMap((keys, n) -> arrayWithConstant(length(keys), n), known.2, arrayEnumerate(known.2))), 0) AS number,
            intDiv(Nanos - {start:Int64}, {step:Int64}) AS step,
            sum(Measured * Weight) / sum(Weight) AS average,
            min(Measured) AS minimum,
            max(Measured) AS maximum,
            toUInt64(sum(Samples)) AS samples
        FROM points
        GROUP BY number, step
    )
    GROUP BY number
)
ORDER BY service, metric, instance, region, cluster, attributes
