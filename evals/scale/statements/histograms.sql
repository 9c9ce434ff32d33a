-- Histograms of request durations: cumulative counts in six buckets. The faulty service's requests move up by two.
INSERT INTO otel_metrics_histogram
    (Tenant, Recording, ResourceAttributes, ScopeName, ServiceName, MetricName, MetricUnit, Attributes, StartTimeUnix, TimeUnix, Count, Sum, BucketCounts, ExplicitBounds, AggregationTemporality)
WITH {services:Array(String)} AS services, {names:Array(String)} AS names, {units:Array(String)} AS units
SELECT
    {tenant:String} AS Tenant,
    '' AS Recording,
    mapFromArrays(
        ['service.name', 'service.version', 'service.instance.id', 'k8s.namespace.name', 'cloud.region', 'host.name'],
        [ServiceName, '1.4.2', concat(ServiceName, '-', toString(intDiv(series, length(services)) % {instances:UInt8})), 'shop', 'eu-central-1',
            concat('node-', toString(cityHash64(series % length(services)) % 40))]
    ) AS ResourceAttributes,
    'instrumentation' AS ScopeName,
    services[1 + series % length(services)] AS ServiceName,
    names[1 + metric % length(names)] AS MetricName,
    units[1 + metric % length(names)] AS MetricUnit,
    if(metric < length(names), map('http.request.method', 'GET'), map('http.request.method', 'GET', 'http.route', concat('/', toString(intDiv(metric, length(names)))))) AS Attributes,
    fromUnixTimestamp64Nano({start:Int64}) AS StartTimeUnix,
    fromUnixTimestamp64Nano(nanos + toInt64(of_series % 1000) * 1000000) AS TimeUnix,
    arraySum(BucketCounts) AS Count,
    arraySum(arrayMap((n, seconds) -> n * seconds, BucketCounts, [0.003, 0.007, 0.02, 0.06, 0.2, 0.6])) AS Sum,
    arrayMap(
        (usual, faulty) -> toUInt64(floor((1 + of_series % 40) * (usual * (step - late) + faulty * late
            + 0.2 * least(usual, faulty) * (cityHash64({seed:UInt64}, series, step) % 101 / 100)))),
        [0.1, 0.3, 0.4, 0.15, 0.04, 0.01], [0.01, 0.09, 0.2, 0.4, 0.2, 0.1]
    ) AS BucketCounts,
    [0.005, 0.01, 0.05, 0.1, 0.5] AS ExplicitBounds,
    2 AS AggregationTemporality
FROM
(
    SELECT
        number % {series:UInt64} AS series,
        intDiv(number, {series:UInt64}) AS step,
        {start:Int64} + toInt64(step) * {interval:Int64} AS nanos,
        intDiv(series, length({services:Array(String)}) * {instances:UInt8}) AS metric,
        -- How many intervals the fault has lasted.
        if(1 + series % length({services:Array(String)}) = {faulty:UInt16}, greatest(0, intDiv(nanos - {fault:Int64}, {interval:Int64})), 0) AS late,
        cityHash64({seed:UInt64}, 'histogram', series) AS of_series
    FROM numbers({first:UInt64}, {count:UInt64})
)
