-- The series that have a point in the window. Monotonic sums are listed as the rates that they are read as.
SELECT
    toString(Service) AS service,
    arrayFirst(value -> value != '', arrayMap(key -> Resource[key], {instance_keys:Array(String)})) AS instance,
    Metric AS metric,
    Unit AS unit,
    Kind AS kind,
    mapSort(Own) AS attributes,
    Resource[{region_key:String}] AS region,
    Resource[{cluster_key:String}] AS cluster,
    sum(Points) AS points,
    fromUnixTimestamp64Micro(intDiv(toUnixTimestamp64Nano(min(First)), 1000), 'UTC') AS first,
    fromUnixTimestamp64Micro(intDiv(toUnixTimestamp64Nano(max(Last)), 1000), 'UTC') AS last
FROM
(
    SELECT any(ServiceName) AS Service, any(MetricName) AS Metric, 'gauge' AS Kind, any(MetricUnit) AS Unit, any(Attributes) AS Own, any(ResourceAttributes) AS Resource,
        count() AS Points, min(TimeUnix) AS First, max(TimeUnix) AS Last
    FROM otel_metrics_gauge
    WHERE Tenant = {tenant:String} AND Recording = {recording:String}
        AND TimeUnix >= fromUnixTimestamp64Nano({start:Int64}) AND TimeUnix < fromUnixTimestamp64Nano({end:Int64})
        AND TimeUnix < fromUnixTimestamp64Nano({horizon:Int64})
        AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
    GROUP BY SeriesKey
    UNION ALL
    SELECT any(ServiceName) AS Service, any(MetricName) AS Metric, 'sum' AS Kind, if(IsMonotonic, concat(any(MetricUnit), '/s'), any(MetricUnit)) AS Unit, any(Attributes) AS Own, any(ResourceAttributes) AS Resource,
        count() AS Points, min(TimeUnix) AS First, max(TimeUnix) AS Last
    FROM otel_metrics_sum
    WHERE Tenant = {tenant:String} AND Recording = {recording:String}
        AND TimeUnix >= fromUnixTimestamp64Nano({start:Int64}) AND TimeUnix < fromUnixTimestamp64Nano({end:Int64})
        AND TimeUnix < fromUnixTimestamp64Nano({horizon:Int64})
        AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
    GROUP BY SeriesKey, IsMonotonic
    UNION ALL
    SELECT any(ServiceName) AS Service, any(MetricName) AS Metric, 'histogram' AS Kind, any(MetricUnit) AS Unit, any(Attributes) AS Own, any(ResourceAttributes) AS Resource,
        count() AS Points, min(TimeUnix) AS First, max(TimeUnix) AS Last
    FROM otel_metrics_histogram
    WHERE Tenant = {tenant:String} AND Recording = {recording:String}
        AND TimeUnix >= fromUnixTimestamp64Nano({start:Int64}) AND TimeUnix < fromUnixTimestamp64Nano({end:Int64})
        AND TimeUnix < fromUnixTimestamp64Nano({horizon:Int64})
        AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
    GROUP BY SeriesKey
    UNION ALL
    SELECT any(ServiceName) AS Service, any(MetricName) AS Metric, 'histogram' AS Kind, any(MetricUnit) AS Unit, any(Attributes) AS Own, any(ResourceAttributes) AS Resource,
        count() AS Points, min(TimeUnix) AS First, max(TimeUnix) AS Last
    FROM otel_metrics_exponential_histogram
    WHERE Tenant = {tenant:String} AND Recording = {recording:String}
        AND TimeUnix >= fromUnixTimestamp64Nano({start:Int64}) AND TimeUnix < fromUnixTimestamp64Nano({end:Int64})
        AND TimeUnix < fromUnixTimestamp64Nano({horizon:Int64})
        AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
    GROUP BY SeriesKey
    UNION ALL
    SELECT any(ServiceName) AS Service, any(MetricName) AS Metric, 'summary' AS Kind, any(MetricUnit) AS Unit, any(Attributes) AS Own, any(ResourceAttributes) AS Resource,
        count() AS Points, min(TimeUnix) AS First, max(TimeUnix) AS Last
    FROM otel_metrics_summary
    WHERE Tenant = {tenant:String} AND Recording = {recording:String}
        AND TimeUnix >= fromUnixTimestamp64Nano({start:Int64}) AND TimeUnix < fromUnixTimestamp64Nano({end:Int64})
        AND TimeUnix < fromUnixTimestamp64Nano({horizon:Int64})
        AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
    GROUP BY SeriesKey
)
GROUP BY service, instance, metric, unit, kind, attributes, region, cluster
ORDER BY service, metric, instance, region, cluster, attributes
