-- middlewatch's own rows, and the rows that a Collector writes, as the tenant's live telemetry.
CREATE OR REPLACE VIEW otel_metrics_exponential_histogram AS
SELECT Tenant, Recording, ServiceName, ResourceAttributes, MetricName, MetricUnit, Attributes, StartTimeUnix, TimeUnix, Count, Sum, Scale, ZeroCount, PositiveOffset, PositiveBucketCounts, NegativeOffset, NegativeBucketCounts, AggregationTemporality, SeriesKey
FROM middlewatch.otel_metrics_exponential_histogram
UNION ALL
SELECT '{tenant}' AS Tenant, '' AS Recording, ServiceName, ResourceAttributes, MetricName, MetricUnit, Attributes, toDateTime64(StartTimeUnix, 9) AS StartTimeUnix, toDateTime64(TimeUnix, 9) AS TimeUnix, Count, Sum, Scale, ZeroCount, PositiveOffset, PositiveBucketCounts, NegativeOffset, NegativeBucketCounts, AggregationTemporality,
    cityHash64(ServiceName, MetricName, MetricUnit, mapSort(Attributes), mapSort(ResourceAttributes)) AS SeriesKey
FROM `{collector}`.otel_metrics_exponential_histogram
