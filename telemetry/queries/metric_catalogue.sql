-- The series that have a point in the window. Monotonic sums are listed as the rates that they are read as.
SELECT
    toString(ServiceName) AS service,
    arrayFirst(value -> value != '', arrayMap(key -> ResourceAttributes[key], {instance_keys:Array(String)})) AS instance,
    MetricName AS metric,
    Unit AS unit,
    Kind AS kind,
    mapSort(Attributes) AS attributes,
    ResourceAttributes[{region_key:String}] AS region,
    ResourceAttributes[{cluster_key:String}] AS cluster,
    sum(Points) AS points,
    fromUnixTimestamp64Micro(intDiv(toUnixTimestamp64Nano(min(First)), 1000), 'UTC') AS first,
    fromUnixTimestamp64Micro(intDiv(toUnixTimestamp64Nano(max(Last)), 1000), 'UTC') AS last
FROM
(
    SELECT ServiceName, MetricName, 'gauge' AS Kind, MetricUnit AS Unit, Attributes, ResourceAttributes, count() AS Points, min(TimeUnix) AS First, max(TimeUnix) AS Last
    FROM otel_metrics_gauge
    WHERE Tenant = {tenant:String} AND Recording = {recording:String}
        AND TimeUnix >= fromUnixTimestamp64Nano({start:Int64}) AND TimeUnix < fromUnixTimestamp64Nano({end:Int64})
        AND TimeUnix < fromUnixTimestamp64Nano({horizon:Int64})
        AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
    GROUP BY ServiceName, MetricName, Unit, Attributes, ResourceAttributes
    UNION ALL
    SELECT ServiceName, MetricName, 'sum' AS Kind, if(IsMonotonic, concat(MetricUnit, '/s'), MetricUnit) AS Unit, Attributes, ResourceAttributes, count() AS Points, min(TimeUnix) AS First, max(TimeUnix) AS Last
    FROM otel_metrics_sum
    WHERE Tenant = {tenant:String} AND Recording = {recording:String}
        AND TimeUnix >= fromUnixTimestamp64Nano({start:Int64}) AND TimeUnix < fromUnixTimestamp64Nano({end:Int64})
        AND TimeUnix < fromUnixTimestamp64Nano({horizon:Int64})
        AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
    GROUP BY ServiceName, MetricName, Unit, Attributes, ResourceAttributes
    UNION ALL
    SELECT ServiceName, MetricName, 'histogram' AS Kind, MetricUnit AS Unit, Attributes, ResourceAttributes, count() AS Points, min(TimeUnix) AS First, max(TimeUnix) AS Last
    FROM otel_metrics_histogram
    WHERE Tenant = {tenant:String} AND Recording = {recording:String}
        AND TimeUnix >= fromUnixTimestamp64Nano({start:Int64}) AND TimeUnix < fromUnixTimestamp64Nano({end:Int64})
        AND TimeUnix < fromUnixTimestamp64Nano({horizon:Int64})
        AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
    GROUP BY ServiceName, MetricName, Unit, Attributes, ResourceAttributes
    UNION ALL
    SELECT ServiceName, MetricName, 'histogram' AS Kind, MetricUnit AS Unit, Attributes, ResourceAttributes, count() AS Points, min(TimeUnix) AS First, max(TimeUnix) AS Last
    FROM otel_metrics_exponential_histogram
    WHERE Tenant = {tenant:String} AND Recording = {recording:String}
        AND TimeUnix >= fromUnixTimestamp64Nano({start:Int64}) AND TimeUnix < fromUnixTimestamp64Nano({end:Int64})
        AND TimeUnix < fromUnixTimestamp64Nano({horizon:Int64})
        AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
    GROUP BY ServiceName, MetricName, Unit, Attributes, ResourceAttributes
    UNION ALL
    SELECT ServiceName, MetricName, 'summary' AS Kind, MetricUnit AS Unit, Attributes, ResourceAttributes, count() AS Points, min(TimeUnix) AS First, max(TimeUnix) AS Last
    FROM otel_metrics_summary
    WHERE Tenant = {tenant:String} AND Recording = {recording:String}
        AND TimeUnix >= fromUnixTimestamp64Nano({start:Int64}) AND TimeUnix < fromUnixTimestamp64Nano({end:Int64})
        AND TimeUnix < fromUnixTimestamp64Nano({horizon:Int64})
        AND (empty({services:Array(String)}) OR ServiceName IN {services:Array(String)})
    GROUP BY ServiceName, MetricName, Unit, Attributes, ResourceAttributes
)
GROUP BY service, instance, metric, unit, kind, attributes, region, cluster
ORDER BY service, metric, instance, region, cluster, attributes
