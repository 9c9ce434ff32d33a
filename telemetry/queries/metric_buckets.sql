-- What a histogram observed per service and step, in buckets; instances with the same buckets are added together.
-- Cumulative points count as the difference to the point before, or whole after a reset or a change of the buckets.
-- Exponential histograms come as bucket indexes at the coarser scale of the two points: index i covers base^i to base^(i+1).
WITH points AS
(
    SELECT
        toString(ServiceName) AS service,
        ExplicitBounds AS bounds,
        toUnixTimestamp64Nano(TimeUnix) AS nanos,
        count() OVER series = 2 AS has_previous,
        first_value(Count) OVER series AS previous_count,
        first_value(BucketCounts) OVER series AS previous_counts,
        AggregationTemporality = 1 AS is_delta,
        has_previous AND NOT is_delta AND Count >= previous_count AND first_value(ExplicitBounds) OVER series = bounds
            AND toUnixTimestamp64Nano(StartTimeUnix) <= toUnixTimestamp64Nano(first_value(TimeUnix) OVER series) AS continues,
        toInt64(Count) - if(continues, toInt64(previous_count), 0) AS observations,
        arrayMap((now, before) -> toInt64(now) - toInt64(before), BucketCounts, if(continues, previous_counts, arrayResize([]::Array(UInt64), length(BucketCounts)))) AS counts,
        is_delta OR has_previous OR toUnixTimestamp64Nano(StartTimeUnix) >= {start:Int64} - {lookback:Int64} AS usable
    FROM otel_metrics_histogram
    WHERE Tenant = {tenant:String} AND Recording = {recording:String}
        AND TimeUnix >= fromUnixTimestamp64Nano({start:Int64} - {lookback:Int64}) AND TimeUnix < fromUnixTimestamp64Nano({end:Int64})
        AND TimeUnix < fromUnixTimestamp64Nano({horizon:Int64})
        AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
        AND MetricName = {metric:String}
        AND length(BucketCounts) = length(ExplicitBounds) + 1
    WINDOW series AS (PARTITION BY SeriesKey ORDER BY TimeUnix ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
),
exponential AS
(
    SELECT
        toString(ServiceName) AS service,
        toUnixTimestamp64Nano(TimeUnix) AS nanos,
        count() OVER series = 2 AS has_previous,
        first_value(Count) OVER series AS previous_count,
        first_value(Scale) OVER series AS previous_scale,
        AggregationTemporality = 1 AS is_delta,
        has_previous AND NOT is_delta AND Count >= previous_count
            AND toUnixTimestamp64Nano(StartTimeUnix) <= toUnixTimestamp64Nano(first_value(TimeUnix) OVER series) AS continues,
        if(continues, least(Scale, previous_scale), Scale) AS scale,
        toInt64(Count) - if(continues, toInt64(previous_count), 0) AS observations,
        toInt64(ZeroCount) - if(continues, toInt64(first_value(ZeroCount) OVER series), 0) AS zeros,
        arrayConcat(
            arrayMap((count, i) -> (toInt32(bitShiftRight(toInt32(PositiveOffset + i - 1), Scale - scale)), toInt64(count)), PositiveBucketCounts, arrayEnumerate(PositiveBucketCounts)),
            if(continues, arrayMap((count, i) -> (toInt32(bitShiftRight(toInt32(first_value(PositiveOffset) OVER series + i - 1), previous_scale - scale)), -toInt64(count)), first_value(PositiveBucketCounts) OVER series, arrayEnumerate(first_value(PositiveBucketCounts) OVER series)), [])
        ) AS positive,
        arrayConcat(
            arrayMap((count, i) -> (toInt32(bitShiftRight(toInt32(NegativeOffset + i - 1), Scale - scale)), toInt64(count)), NegativeBucketCounts, arrayEnumerate(NegativeBucketCounts)),
            if(continues, arrayMap((count, i) -> (toInt32(bitShiftRight(toInt32(first_value(NegativeOffset) OVER series + i - 1), previous_scale - scale)), -toInt64(count)), first_value(NegativeBucketCounts) OVER series, arrayEnumerate(first_value(NegativeBucketCounts) OVER series)), [])
        ) AS negative,
        is_delta OR has_previous OR toUnixTimestamp64Nano(StartTimeUnix) >= {start:Int64} - {lookback:Int64} AS usable
    FROM otel_metrics_exponential_histogram
    WHERE Tenant = {tenant:String} AND Recording = {recording:String}
        AND TimeUnix >= fromUnixTimestamp64Nano({start:Int64} - {lookback:Int64}) AND TimeUnix < fromUnixTimestamp64Nano({end:Int64})
        AND TimeUnix < fromUnixTimestamp64Nano({horizon:Int64})
        AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
        AND MetricName = {metric:String}
    WINDOW series AS (PARTITION BY SeriesKey ORDER BY TimeUnix ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
)
SELECT
    service,
    fromUnixTimestamp64Micro(intDiv({start:Int64} + intDiv(nanos - {start:Int64}, {step:Int64}) * {step:Int64}, 1000), 'UTC') AS time,
    'explicit' AS layout,
    sum(observations) AS count,
    bounds,
    sumForEach(counts) AS counts,
    0 AS scale,
    toInt64(0) AS zeros,
    []::Array(Int32) AS positive_indexes,
    []::Array(Int64) AS positive_counts,
    []::Array(Int32) AS negative_indexes,
    []::Array(Int64) AS negative_counts
FROM points
WHERE usable AND observations > 0 AND nanos >= {start:Int64}
GROUP BY service, time, bounds
UNION ALL
SELECT
    service,
    fromUnixTimestamp64Micro(intDiv({start:Int64} + intDiv(nanos - {start:Int64}, {step:Int64}) * {step:Int64}, 1000), 'UTC') AS time,
    'exponential' AS layout,
    sum(observations) AS count,
    []::Array(Float64) AS bounds,
    []::Array(Int64) AS counts,
    scale,
    sum(zeros) AS zeros,
    (sumMap(positive.1, positive.2) AS positive_map).1 AS positive_indexes,
    positive_map.2 AS positive_counts,
    (sumMap(negative.1, negative.2) AS negative_map).1 AS negative_indexes,
    negative_map.2 AS negative_counts
FROM exponential
WHERE usable AND observations > 0 AND nanos >= {start:Int64}
GROUP BY service, time, scale
